"""Conditions in words: one place says how the names of stores and addresses are shown."""

import pytest

from rnc.conditions import NORM_SIGNS, Condition, condition_in_words, conditions_in_words, presets
from rnc.conditions.naming import KIND_NAMES
from rnc.vocabulary import ConditionKind, Norm, Role
from tests.rnc.conditions.test_options import SLUGS

ROLES = {
    "clean": "clean",
    "perturbed": "perturbed",
    "targeted": "targeted",
    "gaussian": "Gaussian noise",
    "sign_noise": "sign noise",
    "as_trained": "as trained",
    "relabelled": "relabelled",
    "extra": "extra",
}


def test_each_role_has_words() -> None:
    assert {str(role): condition_in_words(role) for role in Role} == ROLES


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pgd-linf-0.07-10", "PGD-10, ℓ∞ ε = 0.07"),
        ("pgd-l2-128_255-10-next", "targeted PGD-10, ℓ2 ε = 128/255"),
        ("pgd-linf-8_255-10-predicted", "PGD-10, ℓ∞ ε = 8/255, labelled by prediction"),
        ("gaussian-linf-0.1", "Gaussian noise, ℓ∞ ε = 0.1"),
        ("sign_noise-l2-0.5", "sign noise, ℓ2 ε = 0.5"),
        *((slug, label) for slug, _condition, label in SLUGS),
    ],
)
def test_a_slug_is_shown_as_its_label(name: str, words: str) -> None:
    assert condition_in_words(name) == words


@pytest.mark.parametrize(
    "name",
    ["", "as the first", "pgd", "pgd-linf", "pgd-linf-1e999-10", "newattack-linf-0.1", "<b>x</b>", "**bold**", "a_b"],
)
def test_a_name_that_is_neither_is_shown_as_it_is(name: str) -> None:
    assert condition_in_words(name) == name


def test_conditions_with_the_same_words_can_be_told_apart() -> None:
    same = ["pgd-linf-0.1-10-step0.01", "pgd-linf-0.1-10-step0.02", "clean"]
    words = conditions_in_words(same)
    assert list(words) == same and words["clean"] == "clean"
    assert words[same[0]] == "PGD-10, ℓ∞ ε = 0.1 (pgd-linf-0.1-10-step0.01)" and len(set(words.values())) == 3


def test_norms_and_kinds_are_written_in_one_way() -> None:
    assert set(NORM_SIGNS) == set(Norm) and set(KIND_NAMES) == set(ConditionKind)
    for name, condition in presets("cifar10").items():
        assert name.endswith(f", {NORM_SIGNS[condition.norm]}") and NORM_SIGNS[condition.norm] in condition.label
    assert condition_in_words("gaussian") == KIND_NAMES[ConditionKind.GAUSSIAN]
    assert Condition.from_slug("sign_noise-linf-0.1").label.startswith(KIND_NAMES[ConditionKind.SIGN_NOISE])
