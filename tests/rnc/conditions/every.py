"""Strategies for conditions of every kind, with all their options."""

from hypothesis import strategies as st

from rnc.conditions import CLEAN, Condition
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, StepSchedule, TargetRule

SIZES = st.one_of(
    st.integers(1, 3000).map(lambda k: k / 255),
    st.integers(1, 10_000).map(lambda k: k / 1000),
    st.floats(1e-8, 10.0),
)
LABELLED = [objective for objective in AttackObjective if objective is not AttackObjective.KL]
UNAIMED = st.builds(
    Condition,
    st.sampled_from([ConditionKind.GAUSSIAN, ConditionKind.SIGN_NOISE]),
    st.sampled_from(Norm),
    SIZES,
    relabelled=st.booleans(),
) | st.sampled_from([CLEAN, Condition(ConditionKind.AS_TRAINED), Condition(ConditionKind.CLEAN, relabelled=True)])
KINDS = (ConditionKind.PGD, ConditionKind.APGD, ConditionKind.FGSM)


@st.composite
def attacks(
    draw: st.DrawFn, sizes: st.SearchStrategy = SIZES, steps: int = 200, restarts: int = 20, classes: int = 1000
) -> Condition:
    """An attack of any kind: norms, targets, objectives, momentum, schedules, restarts."""
    kind = draw(st.sampled_from(KINDS))
    counted = (
        {}
        if kind is ConditionKind.FGSM
        else {"steps": draw(st.integers(0, steps)), "restarts": draw(st.integers(1, restarts))}
    )
    if kind is ConditionKind.PGD:
        counted |= {
            "step_size": draw(st.none() | sizes),
            "momentum": draw(st.just(0.0) | st.floats(0, 2)),
            "schedule": draw(st.sampled_from(StepSchedule)),
        }
    objectives = LABELLED if kind is ConditionKind.FGSM or counted.get("momentum") else list(AttackObjective)
    objective = draw(st.sampled_from(objectives))
    rule = TargetRule.UNTARGETED if objective is AttackObjective.KL else draw(st.sampled_from(TargetRule))
    target = draw(st.integers(0, classes - 1)) if rule is TargetRule.CLASS else None
    return Condition(
        kind,
        draw(st.sampled_from(Norm)),
        draw(sizes),
        target_rule=rule,
        target_class=target,
        objective=objective,
        relabelled=draw(st.booleans()),
        **counted,
    )
