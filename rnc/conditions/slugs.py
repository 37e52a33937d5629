"""Slugs: a condition as one word that is valid in a store, an address and a file name.

The parts are kind, norm, epsilon, steps, then the options that differ from their defaults:
`pgd-linf-8_255-10-step15_255-next-margin-momentum0.9-restarts3`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rnc.conditions.pixels import format_pixels, parse_pixels
from rnc.vocabulary import AttackObjective, ConditionKind, LabelRule, Norm, StepSchedule, TargetRule

if TYPE_CHECKING:
    from rnc.conditions.condition import Condition

_COUNTED = (ConditionKind.PGD, ConditionKind.APGD)


def slug_of(condition: "Condition") -> str:
    """Return the slug of a condition."""
    parts = [str(condition.kind)]
    if condition.norm is not None and condition.epsilon is not None:
        parts += [str(condition.norm), _write_size(condition.epsilon)]
    if condition.steps is not None:
        parts.append(str(condition.steps))
    parts += _options(condition)
    return "-".join([*parts, str(LabelRule.PREDICTED)] if condition.relabelled else parts)


def _options(condition: "Condition") -> list[str]:
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
    found: dict[str, Any] = {"kind": ConditionKind(kind)}
    if rest and rest[-1] == LabelRule.PREDICTED:
        found["relabelled"] = bool(rest.pop())
    if kind in (ConditionKind.CLEAN, ConditionKind.AS_TRAINED) and not rest:
        return found
    norm, epsilon, *rest = rest
    found |= {"norm": Norm(norm), "epsilon": _read_size(epsilon)}
    if kind in _COUNTED:
        steps, *rest = rest
        found["steps"] = int(steps)
    for part in rest:
        read = _read_option(part)
        if read.keys() & found.keys():
            raise ValueError(f"{part} says again what was said before")
        found |= read
    return found


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
    raise ValueError(f"{part!r} is no option of an attack")


def _write_size(value: float) -> str:
    return format_pixels(value).replace("/", "_").replace("e-", "em")


def _read_size(text: str) -> float:
    return parse_pixels(text.replace("_", "/").replace("em", "e-"))


def _write_number(value: float) -> str:
    return f"{value:.10g}".replace("e-", "em").replace("e+", "e")
