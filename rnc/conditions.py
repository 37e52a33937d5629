"""How images are perturbed before they are measured: a condition and its name (`slug`), and sizes as people write them."""

import math
from dataclasses import dataclass
from fractions import Fraction

from rnc.vocabulary import ConditionKind, LabelRule, Norm, TargetRule


def format_pixels(value: float) -> str:
    """Write a perturbation size the field's way: `8/255` where it is a multiple of 1/255, else the shortest decimal."""
    value = float(f"{value:.10g}")
    scaled = value * 255
    if math.isfinite(scaled) and math.isclose(scaled, round(scaled), rel_tol=1e-9) and round(scaled) > 0:
        return f"{round(scaled)}/255"
    return f"{value:.10g}"


def parse_pixels(text: str) -> float:
    """Read a perturbation size, `8/255` or `0.1`. Raises ValueError, saying what is accepted."""
    try:
        return float(Fraction(text.strip())) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError(f"{text!r} is not a number; write a decimal such as 0.1 or a fraction such as 8/255") from None


_WITHOUT_SIZE = (ConditionKind.CLEAN, ConditionKind.AS_TRAINED)


@dataclass(frozen=True)
class Condition:
    """How images are perturbed before they are measured, and by which label. Its `slug` names it everywhere.

    `epsilon` and `step_size` are in pixel units ([0, 1] images); a step size left out is 2.5 epsilon / steps.
    Raises ValueError for a size that is not positive or a field that the kind does not have.
    """

    kind: ConditionKind
    norm: Norm | None = None
    epsilon: float | None = None
    steps: int | None = None
    step_size: float | None = None
    target_rule: TargetRule | None = None
    relabelled: bool = False
    """Measured under the labels that the network decides for."""

    def __post_init__(self) -> None:
        """Reject impossible sizes, fill in the defaults of PGD, and keep sizes to the digits that the slug shows."""
        if self.kind in _WITHOUT_SIZE:
            _check_absent(
                f"the {self.kind} condition", self.norm, self.epsilon, self.steps, self.step_size, self.target_rule
            )
            return
        if self.norm is None:
            raise ValueError(f"a {self.kind} condition needs a norm: linf or l2")
        object.__setattr__(self, "epsilon", _as_shown("epsilon", self.epsilon))
        if self.kind is ConditionKind.PGD:
            self._complete_attack()
        else:
            _check_absent(f"{self.kind} noise", self.steps, self.step_size, self.target_rule)

    def _complete_attack(self) -> None:
        assert self.epsilon is not None
        if self.steps is None or self.steps < 0:
            raise ValueError(f"steps must be a whole number >= 0, got {self.steps}")
        step_size = default_step_size(self.epsilon, self.steps) if self.step_size is None else self.step_size
        object.__setattr__(self, "step_size", _as_shown("step size", step_size))
        object.__setattr__(self, "target_rule", self.target_rule or TargetRule.UNTARGETED)

    @property
    def label_rule(self) -> LabelRule:
        """A targeted sample is measured by its target (paper, section 3), any other by its true label, unless relabelled."""
        if self.relabelled:
            return LabelRule.PREDICTED
        return LabelRule.TARGET if self.target_rule is TargetRule.NEXT else LabelRule.TRUE

    @property
    def slug(self) -> str:
        """The id of this condition: `clean`, `pgd-linf-8_255-10`, `pgd-l2-0.5-10-step15_255-next`, `gaussian-linf-0.1`."""
        parts = [str(self.kind)]
        if self.kind not in _WITHOUT_SIZE:
            assert self.norm is not None and self.epsilon is not None
            parts += [str(self.norm), _slug_number(self.epsilon)]
        if self.kind is ConditionKind.PGD:
            assert self.epsilon is not None and self.steps is not None and self.step_size is not None
            parts.append(str(self.steps))
            if not math.isclose(self.step_size, default_step_size(self.epsilon, self.steps), rel_tol=1e-9):
                parts.append("step" + _slug_number(self.step_size))
            if self.target_rule is TargetRule.NEXT:
                parts.append(str(TargetRule.NEXT))
        return "-".join([*parts, str(LabelRule.PREDICTED)] if self.relabelled else parts)

    @classmethod
    def from_slug(cls, slug: str) -> "Condition":
        """Read a slug back. Raises ValueError, naming an example, where it is none."""
        try:
            kind, *rest = slug.split("-")
            relabelled = bool(rest) and rest[-1] == LabelRule.PREDICTED
            rest = rest[:-1] if relabelled else rest
            if kind in _WITHOUT_SIZE and not rest:
                return cls(ConditionKind(kind), relabelled=relabelled)
            norm, epsilon, *rest = rest
            if kind != ConditionKind.PGD and not rest:
                return cls(ConditionKind(kind), Norm(norm), _unslug_number(epsilon), relabelled=relabelled)
            steps, *rest = rest
            step_size = (
                _unslug_number(rest.pop(0).removeprefix("step")) if rest and rest[0].startswith("step") else None
            )
            target = TargetRule(rest.pop(0)) if rest else TargetRule.UNTARGETED
            if rest:
                raise ValueError(slug)
            size = _unslug_number(epsilon)
            return cls(ConditionKind(kind), Norm(norm), size, int(steps), step_size, target, relabelled)
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{slug!r} is no condition ({error}); examples: clean, pgd-linf-8_255-10, pgd-l2-0.5-10-next, gaussian-linf-0.1"
            ) from None

    @property
    def label(self) -> str:
        """How people write it: `PGD-10 l_inf 8/255`."""
        return f"{self._images_label}{', labelled by decision' if self.relabelled else ''}"

    @property
    def _images_label(self) -> str:
        if self.kind in _WITHOUT_SIZE:
            return str(self.kind).replace("_", " ")
        assert self.epsilon is not None
        size = f"{'ℓ∞' if self.norm is Norm.LINF else 'ℓ2'} ε = {format_pixels(self.epsilon)}"
        if self.kind is not ConditionKind.PGD:
            return f"{str(self.kind).replace('_', ' ')}, {size}"
        return f"{'targeted ' if self.target_rule is TargetRule.NEXT else ''}PGD-{self.steps}, {size}"


def default_step_size(epsilon: float, steps: int) -> float:
    """The customary PGD step, 2.5 epsilon / steps, which is the paper's 2/255 at 8/255 in 10 steps."""
    return 2.5 * epsilon / max(steps, 1)


def _as_shown(name: str, value: float | None) -> float:
    """The size as its text says it, so that a slug reads back to the same condition."""
    if value is None or not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be a finite number > 0, got {value}")
    return parse_pixels(format_pixels(value))


def _check_absent(what: str, *values: object) -> None:
    if any(value is not None for value in values):
        raise ValueError(f"{what} has no step size, steps or target, and what is clean has no norm or epsilon either")


def _slug_number(value: float) -> str:
    return format_pixels(value).replace("/", "_").replace("e-", "em")


def _unslug_number(text: str) -> float:
    return parse_pixels(text.replace("_", "/").replace("em", "e-"))


CLEAN = Condition(ConditionKind.CLEAN)
