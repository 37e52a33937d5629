"""Tests of an attack's options besides its size: slugs read back, people can read the labels, the impossible is refused."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.conditions import CLEAN, Condition
from rnc.vocabulary import AttackObjective, ConditionKind, LabelRule, Norm, StepSchedule, TargetRule
from tests.examples import examples
from tests.rnc.conditions.every import KINDS, UNAIMED, attacks

PGD, APGD, FGSM = KINDS


@examples(500)
@given(condition=UNAIMED | attacks())
def test_every_condition_is_its_slug(condition: Condition) -> None:
    assert Condition.from_slug(condition.slug) == condition
    assert set(condition.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.")


@examples(300)
@given(one=attacks(), other=attacks())
def test_different_conditions_have_different_slugs(one: Condition, other: Condition) -> None:
    assert (one == other) is (one.slug == other.slug)


@examples(100)
@given(condition=attacks(), data=st.data())
def test_the_options_of_a_slug_may_stand_in_any_order_but_once(condition: Condition, data: st.DataObject) -> None:
    plain = Condition.from_slug(condition.slug.removesuffix("-predicted"))
    parts = plain.slug.split("-")
    fixed = 3 if condition.kind is FGSM else 4
    shuffled = data.draw(st.permutations(parts[fixed:]))
    assert Condition.from_slug("-".join([*parts[:fixed], *shuffled])) == plain
    for part in parts[fixed:]:
        with pytest.raises(ValueError, match="sets an option that was set before"):
            Condition.from_slug("-".join([*parts, part]))


SLUGS = [
    (
        "pgd-linf-8_255-10-step1_255-next-margin-momentum0.9-cosine-restarts3-predicted",
        Condition(
            PGD,
            Norm.LINF,
            8 / 255,
            10,
            1 / 255,
            TargetRule.NEXT,
            True,
            AttackObjective.MARGIN,
            0.9,
            3,
            StepSchedule.COSINE,
        ),
        "targeted MI-FGSM-CW-10, ℓ∞ ε = 8/255, momentum 0.9, cosine steps, 3 restarts, labelled by prediction",
    ),
    (
        "pgd-linf-8_255-10-kl-linear",
        Condition(PGD, Norm.LINF, 8 / 255, 10, objective=AttackObjective.KL, schedule=StepSchedule.LINEAR),
        "PGD-KL-10, ℓ∞ ε = 8/255, linear steps",
    ),
    ("pgd-l2-0.5-10-momentum1", Condition(PGD, Norm.L2, 0.5, 10, momentum=1), "MI-FGSM-10, ℓ2 ε = 0.5"),
    (
        "pgd-l2-0.5-10-class3",
        Condition(PGD, Norm.L2, 0.5, 10, target_rule=TargetRule.CLASS, target_class=3),
        "targeted PGD-10, ℓ2 ε = 0.5, to class 3",
    ),
    (
        "pgd-linf-0.1-10-likely-dlr",
        Condition(PGD, Norm.LINF, 0.1, 10, target_rule=TargetRule.LIKELY, objective=AttackObjective.DLR),
        "targeted PGD-DLR-10, ℓ∞ ε = 0.1, to the likeliest wrong class",
    ),
    ("fgsm-linf-8_255", Condition(FGSM, Norm.LINF, 8 / 255), "FGSM, ℓ∞ ε = 8/255"),
    ("fgsm-l2-0.5-next", Condition(FGSM, Norm.L2, 0.5, target_rule=TargetRule.NEXT), "targeted FGSM, ℓ2 ε = 0.5"),
    ("apgd-linf-8_255-50", Condition(APGD, Norm.LINF, 8 / 255, 50), "APGD-CE-50, ℓ∞ ε = 8/255"),
    (
        "apgd-linf-8_255-50-dlr-restarts3",
        Condition(APGD, Norm.LINF, 8 / 255, 50, objective=AttackObjective.DLR, restarts=3),
        "APGD-DLR-50, ℓ∞ ε = 8/255, 3 restarts",
    ),
]


@pytest.mark.parametrize(("slug", "condition", "label"), SLUGS, ids=[slug for slug, _c, _l in SLUGS])
def test_known_slugs_and_labels(slug: str, condition: Condition, label: str) -> None:
    assert condition.slug == slug
    assert Condition.from_slug(slug) == condition
    assert condition.label == label


def test_the_usual_is_not_said() -> None:
    usual = Condition(PGD, Norm.LINF, 0.1, 10)
    assert (usual.objective, usual.momentum, usual.restarts) == (AttackObjective.CROSS_ENTROPY, 0.0, 1)
    assert (usual.schedule, usual.target_class) == (StepSchedule.CONSTANT, None)
    assert Condition.from_slug("pgd-linf-0.1-10-cross_entropy-constant-restarts1-momentum0-untargeted") == usual
    assert usual.slug == "pgd-linf-0.1-10"


@pytest.mark.parametrize("rule", [rule for rule in TargetRule if rule is not TargetRule.UNTARGETED])
@pytest.mark.parametrize("kind", KINDS)
def test_every_target_is_a_label_to_be_measured_by(kind: ConditionKind, rule: TargetRule) -> None:
    steps = None if kind is FGSM else 3
    target = 2 if rule is TargetRule.CLASS else None
    condition = Condition(kind, Norm.L2, 0.5, steps, target_rule=rule, target_class=target)
    assert condition.is_targeted and condition.label_rule is LabelRule.TARGET
    assert not CLEAN.is_targeted and not CLEAN.is_attack and condition.is_attack


REFUSED = [
    ({"kind": FGSM, "steps": 1}, "no steps.*choose pgd"),
    ({"kind": FGSM, "step_size": 0.1}, "no step size.*choose pgd"),
    ({"kind": FGSM, "restarts": 2}, "no restarts.*choose pgd"),
    ({"kind": FGSM, "momentum": 0.5}, "no momentum.*choose pgd"),
    ({"kind": FGSM, "objective": AttackObjective.KL}, "kl has no gradient at the clean image"),
    ({"kind": APGD}, "steps must be a whole number >= 0"),
    ({"kind": APGD, "steps": 5, "step_size": 0.1}, "no step size.*choose pgd"),
    ({"kind": APGD, "steps": 5, "momentum": 0.5}, "no momentum.*choose pgd"),
    ({"kind": APGD, "steps": 5, "schedule": StepSchedule.COSINE}, "no schedule.*choose pgd"),
    ({"kind": PGD, "steps": 5, "momentum": 1.0, "objective": AttackObjective.KL}, "kl has no gradient"),
    ({"kind": PGD, "steps": 5, "target_rule": TargetRule.NEXT, "objective": AttackObjective.KL}, "kl uses no labels"),
    ({"kind": PGD, "steps": 5, "target_rule": TargetRule.CLASS}, "a target class belongs to the target rule class"),
    ({"kind": PGD, "steps": 5, "target_class": 3}, "a target class belongs to the target rule class"),
    ({"kind": PGD, "steps": 5, "target_rule": TargetRule.CLASS, "target_class": -1}, "class number >= 0"),
    ({"kind": PGD, "steps": 5, "restarts": 0}, "restarts must be a whole number >= 1"),
    *(({"kind": PGD, "steps": 5, "momentum": bad}, "momentum must be a finite") for bad in (-0.1, math.nan, math.inf)),
    *(
        ({"kind": kind, **option}, f"a {kind} condition has no")
        for kind, option in itertools.product(
            (ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE),
            ({"restarts": 2}, {"momentum": 1.0}, {"objective": AttackObjective.DLR}, {"target_class": 1}),
        )
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_the_impossible_is_refused_with_what_to_do(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Condition(norm=Norm.LINF, epsilon=0.1, **fields)


@pytest.mark.parametrize(
    "slug",
    [
        "apgd-linf-0.1",
        "apgd-linf-0.1-10-cosine",
        "fgsm-linf-0.1-10",
        "fgsm-linf-0.1-restarts2",
        "pgd-linf-0.1-10-class",
        "pgd-linf-0.1-10-class-1",
        "pgd-linf-0.1-10-class1-next",
        "pgd-linf-0.1-10-restarts0",
        "pgd-linf-0.1-10-momentum",
        "pgd-linf-0.1-10-momentumnan",
        "pgd-linf-0.1-10-kl-next",
        "clean-kl",
        "gaussian-linf-0.1-restarts2",
    ],
)
def test_a_slug_of_the_impossible_is_refused_with_examples(slug: str) -> None:
    with pytest.raises(ValueError, match=r"is not a condition.*examples: clean, pgd-linf-8_255-10"):
        Condition.from_slug(slug)
