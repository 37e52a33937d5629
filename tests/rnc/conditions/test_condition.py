"""Conditions have one slug each, that reads back; what is not a condition is refused with an example; sizes in pixels."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.conditions import CLEAN, Condition, default_step_size, format_pixels, parse_pixels
from rnc.vocabulary import ConditionKind, LabelRule, Norm, TargetRule
from tests.examples import examples
from tests.rnc.conditions.every import SIZES

TWO_RULES = [TargetRule.UNTARGETED, TargetRule.NEXT]
NOISES = st.builds(
    Condition, st.sampled_from([ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE]), st.sampled_from(Norm), SIZES
)
ATTACKS = st.builds(
    Condition,
    st.just(ConditionKind.PGD),
    st.sampled_from(Norm),
    SIZES,
    st.integers(0, 200),
    st.none() | SIZES,
    st.none() | st.sampled_from(TWO_RULES),
)


@examples(300)
@given(condition=st.one_of(st.just(CLEAN), NOISES, ATTACKS))
def test_a_slug_reads_back(condition: Condition) -> None:
    found = Condition.from_slug(condition.slug)
    assert found.slug == condition.slug
    assert (found.kind, found.norm, found.steps) == (condition.kind, condition.norm, condition.steps)
    assert (found.target_rule, found.label_rule) == (condition.target_rule, condition.label_rule)
    assert found.epsilon == pytest.approx(condition.epsilon, rel=2e-9 if condition.epsilon else None)
    assert found.step_size == pytest.approx(condition.step_size, rel=2e-9 if condition.step_size else None)
    assert set(condition.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")


@pytest.mark.parametrize(
    "condition",
    [
        Condition(ConditionKind.GAUSSIAN, Norm.LINF, 0.003921568631372549),
        Condition(ConditionKind.PGD, Norm.LINF, 1 / 255, 0, 609804.9261472027),
        Condition(ConditionKind.PGD, Norm.LINF, 13 / 255, 1, 2.5 * 13 / 255 * (1 + 1.1e-9)),
    ],
    ids=["epsilon", "step", "default-step"],
)
def test_a_size_a_billionth_beside_a_round_one_keeps_its_slug(condition: Condition) -> None:
    assert Condition.from_slug(condition.slug).slug == condition.slug


@examples(100)
@given(k=st.integers(1, 3000), steps=st.integers(0, 100), norm=st.sampled_from(Norm), rule=st.sampled_from(TWO_RULES))
def test_a_multiple_of_a_255th_reads_back_exactly(k: int, steps: int, norm: Norm, rule: TargetRule) -> None:
    condition = Condition(ConditionKind.PGD, norm, k / 255, steps, target_rule=rule)
    assert Condition.from_slug(condition.slug) == condition


@pytest.mark.parametrize(
    ("slug", "condition"),
    [
        ("clean", CLEAN),
        ("pgd-linf-8_255-10", Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10, 2 / 255)),
        ("pgd-l2-128_255-10-step15_255", Condition(ConditionKind.PGD, Norm.L2, 128 / 255, 10, 15 / 255)),
        (
            "pgd-l2-0.5-10-step15_255-next",
            Condition(ConditionKind.PGD, Norm.L2, 0.5, 10, 15 / 255, TargetRule.NEXT),
        ),
        ("gaussian-linf-0.1", Condition(ConditionKind.GAUSSIAN, Norm.LINF, 0.1)),
        ("sign_noise-l2-1em05", Condition(ConditionKind.SIGN_NOISE, Norm.L2, 1e-5)),
    ],
)
def test_known_slugs(slug: str, condition: Condition) -> None:
    assert condition.slug == slug
    assert Condition.from_slug(slug) == condition


def test_the_papers_step_is_the_default() -> None:
    condition = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10)
    assert condition.step_size == pytest.approx(2 / 255)
    assert condition.target_rule is TargetRule.UNTARGETED
    assert default_step_size(0.1, 0) == 0.25


def test_only_a_targeted_condition_is_measured_by_the_target() -> None:
    assert Condition.from_slug("pgd-linf-0.1-10-next").label_rule is LabelRule.TARGET
    for slug in ("clean", "pgd-linf-0.1-10", "gaussian-linf-0.1"):
        assert Condition.from_slug(slug).label_rule is LabelRule.TRUE


BAD_SLUGS = [
    "",
    "dirty",
    "clean-",
    "clean-linf-0.1",
    "pgd",
    "pgd-linf",
    "pgd-linf-0.1",
    "pgd-l1-0.1-10",
    "pgd-linf-x-10",
    "pgd-linf-1_0-10",
    "pgd-linf-0-10",
    "pgd-linf-nan-10",
    "pgd-linf-inf-10",
    "pgd-linf--0.1-10",
    "pgd-linf-0.1-ten",
    "pgd-linf-0.1-1.5",
    "pgd-linf-0.1-10-step",
    "pgd-linf-0.1-10-step0",
    "pgd-linf-0.1-10-previous",
    "pgd-linf-0.1-10-next-next",
    "gaussian-linf-0.1-10",
    "gaussian-linf-0.1-next",
    "gaussian-0.1",
]


@pytest.mark.parametrize("slug", BAD_SLUGS)
def test_a_bad_slug_is_refused_with_an_example(slug: str) -> None:
    with pytest.raises(ValueError, match=r"is not a condition.*examples: clean, pgd-linf-8_255-10"):
        Condition.from_slug(slug)


@pytest.mark.parametrize(
    "slug", ["pgd-linf-1" + "0" * 400 + "_1-10", "pgd-linf-0.1-" + "9" * 400], ids=["epsilon", "steps"]
)
def test_a_slug_of_huge_numbers_is_refused_too(slug: str) -> None:
    with pytest.raises(ValueError, match="is not a condition"):
        Condition.from_slug(slug)


def test_a_slug_that_is_taken_can_be_written_again() -> None:
    try:
        condition = Condition.from_slug("gaussian-linf-1e308")
    except ValueError:
        return  # refusing it is as good
    assert Condition.from_slug(condition.slug).epsilon == pytest.approx(1e308)


@examples(300)
@given(slug=st.text(max_size=30) | st.text("pgdclinfgausse-_0123456789.tx", max_size=30))
def test_any_text_is_a_condition_or_a_value_error(slug: str) -> None:
    try:
        condition = Condition.from_slug(slug)
    except ValueError as error:
        message = str(error)
    else:
        message = "examples:"
        assert Condition.from_slug(condition.slug).slug == condition.slug
    assert "examples:" in message


@pytest.mark.parametrize("epsilon", [None, 0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("kind", [ConditionKind.PGD, ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE])
def test_an_epsilon_that_is_no_size_is_refused(kind: ConditionKind, epsilon: float | None) -> None:
    with pytest.raises(ValueError, match="epsilon must be a finite number > 0"):
        Condition(kind, Norm.LINF, epsilon, 10 if kind is ConditionKind.PGD else None)


@pytest.mark.parametrize("field", [{"norm": Norm.L2}, {"epsilon": 0.1}, {"steps": 1}, {"target_rule": TargetRule.NEXT}])
def test_the_clean_condition_has_no_fields(field: dict) -> None:
    with pytest.raises(ValueError, match="clean"):
        Condition(ConditionKind.CLEAN, **field)


def test_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="norm"):
        Condition(ConditionKind.PGD, None, 0.1, 10)
    for steps in (None, -1):
        with pytest.raises(ValueError, match="steps must be a whole number >= 0"):
            Condition(ConditionKind.PGD, Norm.L2, 0.1, steps)
    for step_size in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="step size must be a finite number > 0"):
            Condition(ConditionKind.PGD, Norm.L2, 0.1, 10, step_size)
    for field in ({"steps": 10}, {"step_size": 0.1}, {"target_rule": TargetRule.UNTARGETED}):
        with pytest.raises(ValueError, match="gaussian"):
            Condition(ConditionKind.GAUSSIAN, Norm.L2, 0.1, **field)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8 / 255, "8/255"),
        (1.0, "1"),
        (2.0, "2"),
        (128 / 255, "128/255"),
        (0.1, "0.1"),
        (0.5, "0.5"),
        (1e-5, "1e-05"),
        (0.0, "0"),
    ],
)
def test_pixels_are_written_the_fields_way(value: float, text: str) -> None:
    assert format_pixels(value) == text
    assert parse_pixels(text) == value


@examples(100)
@given(value=SIZES)
def test_written_pixels_read_back(value: float) -> None:
    assert parse_pixels(format_pixels(value)) == pytest.approx(value, rel=2e-9)


def test_pixels_may_have_spaces_around_them() -> None:
    assert parse_pixels(" 8/255 ") == 8 / 255
    assert parse_pixels(" 0.1 ") == 0.1


@pytest.mark.parametrize("text", ["", "eight", "8/0", "8/255/2", "/", "8//255", "0,1", "1" + "0" * 400 + "/1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write a decimal such as 0\.1 or a fraction such as 8/255"):
        parse_pixels(text)


@pytest.mark.parametrize(
    ("slug", "label"),
    [
        ("clean", "clean"),
        ("pgd-linf-8_255-10", "PGD-10, ℓ∞ ε = 8/255"),
        ("pgd-l2-0.5-10-next", "targeted PGD-10, ℓ2 ε = 0.5"),
        ("sign_noise-l2-0.5", "sign noise, ℓ2 ε = 0.5"),
    ],
)
def test_people_read_labels(slug: str, label: str) -> None:
    assert Condition.from_slug(slug).label == label
