"""The closed lists of the house: what may stand in a config, a store row or an address. Imports nothing else of ours.

Shape letters, everywhere: N samples, C classes, d feature size, L stages, (c, h, w) image.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Norm(StrEnum):
    """The norm that bounds a perturbation."""

    LINF = "linf"
    L2 = "l2"


class Objective(StrEnum):
    """What a network is trained on; paper, section 2. Their BatchNorm modes are listed in `train/losses.py`."""

    ST = "st"
    AT = "at"
    AT_EVAL_ATTACK = "at-eval-attack"
    TRADES = "trades"
    TRADES_RELEASED = "trades-released"


class Split(StrEnum):
    """The part of a data set."""

    TRAIN = "train"
    TEST = "test"


class ConditionKind(StrEnum):
    """How the images of a condition are made from the clean ones."""

    CLEAN = "clean"
    PGD = "pgd"
    GAUSSIAN = "gaussian"
    SIGN_NOISE = "sign_noise"
    AS_TRAINED = "as_trained"
    """The very perturbed batches that the epoch trained on; the attack is the run's own."""


class TargetRule(StrEnum):
    """Where a PGD attack drives a sample: away from its label, or to the next class, (y + 1) mod C."""

    UNTARGETED = "untargeted"
    NEXT = "next"


class LabelRule(StrEnum):
    """Which label a sample carries in the metrics of a condition."""

    TRUE = "true"
    TARGET = "target"
    PREDICTED = "predicted"
    """What the network decides: do the perturbed features form a simplex again under the labels that they leapt to?"""


class Role(StrEnum):
    """The part that a condition plays for a run, whatever its epsilon and norm.

    A run has at most one condition of each role, so that runs compare by role; `extra` is for all further ones.
    """

    CLEAN = "clean"
    PERTURBED = "perturbed"
    TARGETED = "targeted"
    GAUSSIAN = "gaussian"
    SIGN_NOISE = "sign_noise"
    AS_TRAINED = "as_trained"
    RELABELLED = "relabelled"
    EXTRA = "extra"


class RunState(StrEnum):
    """`interrupted` is stored by a run that was told to stop, and shown for a `running` one whose heartbeat has stopped."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ProjectionMethod(StrEnum):
    """How features were brought into the plane."""

    PCA = "pca"
    UMAP = "umap"


PIXELS_LAYER, FEATURES_LAYER = "pixels", "features"
"""The layer names of the input images, at depth 0, and of the penultimate features h, the input of the last linear layer."""

TERMINAL_ACCURACY = 0.999
"""Train accuracy from which on training is in its terminal phase (TPT)."""

HEARTBEAT_SECONDS = 5.0
"""How often a running trainer says in the store that it lives."""

STALE_SECONDS = 60.0
"""A running run whose heartbeat is older than this counts as interrupted."""
SYNTHETIC = "synthetic"  # what a run's device says where nobody trained it and its numbers are made up


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


class Metric(StrEnum):
    """The scalars of a (run, epoch, split, condition, layer); their formulas: `rnc/charts/labels.py`, `rnc/metrics`."""

    NC1 = "nc1"
    NC2_EQUINORM = "nc2_equinorm"
    NC2_EQUIANGULARITY = "nc2_equiangularity"
    NC2_EQUINORM_W = "nc2_equinorm_w"
    NC2_EQUIANGULARITY_W = "nc2_equiangularity_w"
    NC2_COS_STD = "nc2_cos_std"
    NC2_COS_STD_W = "nc2_cos_std_w"
    NC3 = "nc3"
    NC4 = "nc4"
    CDNV = "cdnv"
    NC1_TRACE = "nc1_trace"
    GNC2 = "gnc2"
    UNC3 = "unc3"
    NC5 = "nc5"
    ACCURACY = "accuracy"
    LOSS = "loss"
    NCC_ACCURACY = "ncc_accuracy"
    ANGLE = "angle"
    ANGLE_UNCENTRED = "angle_uncentred"
    DISTANCE = "distance"
    DISTANCE_UNCENTRED = "distance_uncentred"
    GLOBAL_MEAN_ANGLE = "global_mean_angle"
    GLOBAL_MEAN_DISTANCE = "global_mean_distance"
    CLASSES_PRESENT = "classes_present"


class ClassMetric(StrEnum):
    """The scalars of one class under a condition; angles in radians, the rest in feature units."""

    COUNT = "count"
    NORM = "norm"
    VARIANCE = "variance"
    ANGLE = "angle"
    ANGLE_UNCENTRED = "angle_uncentred"
    DISTANCE = "distance"
    DISTANCE_UNCENTRED = "distance_uncentred"
