"""Labels of conditions in common notation: `MI-FGSM-10, ℓ∞ ε = 8/255`, `targeted APGD-DLR-50, ℓ2 ε = 0.5, 3 restarts`."""

from typing import TYPE_CHECKING

from rnc.conditions.pixels import format_pixels
from rnc.vocabulary import AttackObjective, ConditionKind, Norm, StepSchedule, TargetRule

if TYPE_CHECKING:
    from rnc.conditions.condition import Condition

_OBJECTIVES = {
    AttackObjective.CROSS_ENTROPY: "",
    AttackObjective.KL: "-KL",
    AttackObjective.MARGIN: "-CW",
    AttackObjective.DLR: "-DLR",
}


_UNDERFLOWS = (AttackObjective.CROSS_ENTROPY, AttackObjective.KL)
"""Objectives of softmax probabilities, which are exactly 0 and 1 in float32 if the logits are far apart."""


def label_of(condition: "Condition") -> str:
    """Return the label of a condition."""
    parts = [_name(condition)]
    if condition.norm is not None and condition.epsilon is not None:
        parts.append(f"{'ℓ∞' if condition.norm is Norm.LINF else 'ℓ2'} ε = {format_pixels(condition.epsilon)}")
    parts += _options(condition)
    return ", ".join([*parts, "labelled by decision"] if condition.relabelled else parts)


def without_gradient_message(condition: "Condition", count: int, images: int) -> str | None:
    """Return a message with the number of images for which the attack had no gradient; None if there are no such images."""
    if not count:
        return None
    remedy = "; an attack on margin or dlr may" if condition.objective in _UNDERFLOWS else ""
    return (
        f"for {count} of {images} images the gradient of {condition.objective} is exactly 0 in float32: "
        f"{label_of(condition)} could not move them{remedy}"
    )


def _name(condition: "Condition") -> str:
    """Return the attack's name and steps."""
    if not condition.is_attack:
        return str(condition.kind).replace("_", " ")
    name = "MI-FGSM" if condition.momentum else str(condition.kind).upper()
    objective = _OBJECTIVES[condition.objective]
    if condition.kind is ConditionKind.APGD:
        objective = objective or "-CE"
    steps = "" if condition.steps is None else f"-{condition.steps}"
    return f"{'targeted ' if condition.is_targeted else ''}{name}{objective}{steps}"


def _options(condition: "Condition") -> list[str]:
    """Return the options that differ from the defaults, in words; the default momentum of MI-FGSM is 1."""
    parts = []
    if condition.target_rule is TargetRule.CLASS:
        parts.append(f"to class {condition.target_class}")
    if condition.target_rule is TargetRule.LIKELY:
        parts.append("to the likeliest wrong class")
    if condition.momentum not in (0.0, 1.0):
        parts.append(f"momentum {condition.momentum:g}")
    if condition.schedule is not StepSchedule.CONSTANT:
        parts.append(f"{condition.schedule} steps")
    if condition.restarts > 1:
        parts.append(f"{condition.restarts} restarts")
    return parts
