"""The names of a condition: its slug, one word for stores, addresses and file names, and its label in common notation.

The parts of a slug are kind, norm, epsilon, steps, then the options that differ from their defaults:
`pgd-linf-8_255-10-step15_255-next-margin-momentum0.9-restarts3`. Labels: `MI-FGSM-10, ℓ∞ ε = 8/255`,
`targeted APGD-DLR-50, ℓ2 ε = 0.5, 3 restarts`.

Tested by tests/rnc/conditions/test_condition.py.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rnc.conditions.pixels import format_pixels, parse_pixels
from rnc.vocabulary import AttackObjective, ConditionKind, LabelRule, Norm, StepSchedule, TargetRule

if TYPE_CHECKING:
    from rnc.conditions.condition import Condition

NORM_SIGNS = {Norm.LINF: "ℓ∞", Norm.L2: "ℓ2"}
"""The sign of each norm in labels, controls and figures."""
KIND_NAMES = {
    ConditionKind.CLEAN: "clean",
    ConditionKind.PGD: "PGD",
    ConditionKind.FGSM: "FGSM",
    ConditionKind.APGD: "APGD",
    ConditionKind.GAUSSIAN: "Gaussian noise",
    ConditionKind.SIGN_NOISE: "sign noise",
    ConditionKind.AS_TRAINED: "as trained",
}
"""The name of each kind of condition in labels and controls."""
_WITH_STEPS = (ConditionKind.PGD, ConditionKind.APGD)
_OBJECTIVES = {
    AttackObjective.CROSS_ENTROPY: "",
    AttackObjective.KL: "-KL",
    AttackObjective.MARGIN: "-CW",
    AttackObjective.DLR: "-DLR",
}
_SOFTMAX_LOSSES = (AttackObjective.CROSS_ENTROPY, AttackObjective.KL)
"""Objectives of softmax probabilities, which are exactly 0 and 1 in float32 if the logits are far apart."""


def slug_of(condition: "Condition") -> str:
    """Return the slug of a condition."""
    parts = [str(condition.kind)]
    if condition.norm is not None and condition.epsilon is not None:
        parts += [str(condition.norm), _write_size(condition.epsilon)]
    if condition.steps is not None:
        parts.append(str(condition.steps))
    parts += _slug_options(condition)
    return "-".join([*parts, str(LabelRule.PREDICTED)] if condition.relabelled else parts)


def _slug_options(condition: "Condition") -> list[str]:
    """Return the parts for the options that differ from their defaults."""
    c, parts = condition, []
    if c.steps is not None and c.step_size is not None and not c.has_default_step_size:
        parts.append("step" + _write_size(c.step_size))
    if c.is_targeted:
        parts.append(f"{c.target_rule}{'' if c.target_class is None else c.target_class}")
    if c.objective is not AttackObjective.CROSS_ENTROPY:
        parts.append(str(c.objective))
    if c.momentum:
        parts.append("momentum" + _write_number(c.momentum))
    if c.schedule is not StepSchedule.CONSTANT:
        parts.append(str(c.schedule))
    if c.restarts > 1:
        parts.append(f"restarts{c.restarts}")
    return parts


def read_slug(slug: str) -> dict[str, Any]:
    """Return the fields of the condition that a slug names. Raises ValueError or OverflowError if the text is not a slug."""
    kind, *rest = slug.split("-")
    fields: dict[str, Any] = {"kind": ConditionKind(kind)}
    if rest and rest[-1] == LabelRule.PREDICTED:
        fields["relabelled"] = bool(rest.pop())
    if kind in (ConditionKind.CLEAN, ConditionKind.AS_TRAINED) and not rest:
        return fields
    norm, epsilon, *rest = rest
    fields |= {"norm": Norm(norm), "epsilon": _read_size(epsilon)}
    if kind in _WITH_STEPS:
        steps, *rest = rest
        fields["steps"] = int(steps)
    for part in rest:
        read = _read_option(part)
        if read.keys() & fields.keys():
            raise ValueError(f"{part} sets an option that was set before")
        fields |= read
    return fields


def _read_option(part: str) -> dict[str, Any]:
    numbered: dict[str, tuple[str, Callable[[str], Any]]] = {
        "step": ("step_size", _read_size),
        "momentum": ("momentum", _read_size),
        "restarts": ("restarts", int),
        "class": ("target_class", int),
    }
    for word, (name, read) in numbered.items():
        if part.startswith(word):
            also = {"target_rule": TargetRule.CLASS} if name == "target_class" else {}
            return {name: read(part.removeprefix(word)), **also}
    named = {"target_rule": TargetRule, "objective": AttackObjective, "schedule": StepSchedule}
    for name, words in named.items():
        if part in list(words):
            return {name: words(part)}
    raise ValueError(f"{part!r} is not an option of an attack")


def _write_size(value: float) -> str:
    return format_pixels(value).replace("/", "_").replace("e-", "em")


def _read_size(text: str) -> float:
    return parse_pixels(text.replace("_", "/").replace("em", "e-"))


def _write_number(value: float) -> str:
    return f"{value:.10g}".replace("e-", "em").replace("e+", "e")


def label_of(condition: "Condition") -> str:
    """Return the label of a condition."""
    parts = [_attack_name(condition)]
    if condition.norm is not None and condition.epsilon is not None:
        parts.append(f"{NORM_SIGNS[condition.norm]} ε = {format_pixels(condition.epsilon)}")
    parts += _label_options(condition)
    return ", ".join([*parts, "labelled by prediction"] if condition.relabelled else parts)


def no_gradient_message(condition: "Condition", count: int, images: int) -> str | None:
    """Return a message with the number of images for which the attack had no gradient; None if there are no such images."""
    if not count:
        return None
    remedy = "; an attack on margin or dlr may" if condition.objective in _SOFTMAX_LOSSES else ""
    return (
        f"for {count} of {images} images the gradient of {condition.objective} is exactly 0 in float32: "
        f"{label_of(condition)} could not move them{remedy}"
    )


def _attack_name(condition: "Condition") -> str:
    """Return the attack's name and steps."""
    if not condition.is_attack:
        return KIND_NAMES[condition.kind]
    name = "MI-FGSM" if condition.momentum else KIND_NAMES[condition.kind]
    objective = _OBJECTIVES[condition.objective]
    if condition.kind is ConditionKind.APGD:
        objective = objective or "-CE"
    steps = "" if condition.steps is None else f"-{condition.steps}"
    return f"{'targeted ' if condition.is_targeted else ''}{name}{objective}{steps}"


def _label_options(condition: "Condition") -> list[str]:
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
