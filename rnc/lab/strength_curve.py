"""A strength curve: metrics at several strengths of an attack, for one or several networks; its request and its result.

Tested by tests/rnc/lab/engine/test_strength_curve.py.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

import pandas as pd

from rnc.conditions import CLEAN, Condition
from rnc.lab.estimates import attack_passes
from rnc.lab.network_and_images import RequestError, Source, ascending_numbers, enum_member
from rnc.lab.request_base import Request, check_attack
from rnc.lab.result_base import Result

MOST_VALUES = 50
MOST_NETWORKS = 8
WITHOUT_GRADIENT = "without_gradient"
"""Metric of a curve: share of images for which every gradient was exactly 0 in float32, so the attack could not move them."""
NEAREST_CLEAN = "ncc_accuracy_by_clean_means"
"""Metric of a curve, at the features, if layers were requested: nearest-centre accuracy by the clean means, as at a stage."""


class Axis(StrEnum):
    """The attack parameter that is varied."""

    EPSILON = "epsilon"
    STEPS = "steps"
    STEP_SIZE = "step_size"


@dataclass(frozen=True)
class StrengthCurveRequest(Request):
    """An attack at several strengths on one or several networks, with the same images and the same seed.

    Epsilon 0 means the clean images; 0 steps means the random start. Raises RequestError.
    """

    kind: ClassVar[str] = "sweep"
    sources: tuple[Source, ...]
    condition: Condition
    over: Axis
    values: tuple[float, ...]
    """Ascending values: epsilon and step size in pixel units of [0, 1], steps as whole numbers."""
    images: int = 300
    seed: int = 0
    layers: bool = False

    def __post_init__(self) -> None:
        """Check all fields, and check that every strength gives a valid attack."""
        object.__setattr__(self, "sources", tuple(self.sources))
        object.__setattr__(self, "over", enum_member(Axis, "the varied parameter", self.over))
        self._check_fields()
        if not 1 <= len(self.sources) <= MOST_NETWORKS:
            raise RequestError(f"a sweep attacks 1 to {MOST_NETWORKS} networks, got {len(self.sources)}")
        if len({(source.dataset, source.split) for source in self.sources}) > 1:
            raise RequestError("networks are compared on the same images; choose runs of one data set, and one split")
        object.__setattr__(self, "values", _ascending_values(self.over, self.values))
        check_attack(self.condition)
        for condition in self.conditions:
            if condition is not CLEAN:
                check_attack(condition)

    @property
    def conditions(self) -> list[Condition]:
        """The attack of each strength; CLEAN at epsilon 0."""
        return [self.at(value) for value in self.values]

    def at(self, value: float) -> Condition:
        """Return the attack of a strength; CLEAN at epsilon 0.

        A default step size (2.5 epsilon / steps) stays the default. Any other step size keeps its ratio to epsilon if epsilon
        varies, and stays the same if the steps vary. Raises RequestError if the attack does not have the varied parameter.
        """
        base = self.condition
        step_size = None if base.has_default_step_size else base.step_size
        if self.over is Axis.STEP_SIZE:
            return _changed(base, step_size=value)
        if self.over is Axis.STEPS:
            return _changed(base, steps=int(value), step_size=step_size)
        if value == 0:
            return CLEAN
        assert base.epsilon is not None
        return _changed(base, epsilon=value, step_size=None if step_size is None else step_size * value / base.epsilon)

    def passes_per_image(self) -> float:
        """Return the approximate number of forward passes per image and network."""
        return sum(attack_passes(condition, every_frame=False) for condition in self.conditions)

    def metric_computations_per_network(self) -> float:
        """Return how often the metrics of all images are computed for a network: clean, and at every strength."""
        return (1.0 + self.layers) * (len(self.values) + 1)


@dataclass(frozen=True)
class StrengthCurveResult(Result):
    """Metrics at each strength of an attack, for one or several networks, on the same images and with the same seed."""

    stored_as: ClassVar[str] = "SweepResult"
    over: str
    """The varied parameter: epsilon, steps or step_size."""
    conditions: list[str]
    """The slug of each strength's attack."""
    stopped: bool
    """True if the work was stopped; the frame then holds the strengths that were completed."""
    as_recorded: bool
    device: str
    seconds: float
    points: pd.DataFrame
    """source (0, 1, …, in the order of the request), strength, layer, metric, value.

    `layer` is features and, if layers were requested, each stage's name in network order (only nc1, and ncc_accuracy by the
    clean means, which is NEAREST_CLEAN at the features). Metrics of the features are around the perturbed images' own class
    means, for targeted attacks with the targets as labels; angle and related metrics are relative to the clean means. `success`
    is the share of images for which the attack succeeds. WITHOUT_GRADIENT is explained above.
    """
    images: int = 0
    """Number of images, possibly fewer than requested; 0 in results that were stored before this field existed."""

    def _summary(self) -> dict[str, Any]:
        return {"over": self.over, "points": len(self.conditions)}


def _ascending_values(over: Axis, values: Any) -> tuple[float, ...]:
    """Return the values as numbers. Raises RequestError if they are not ascending values of the parameter."""
    numbers = ascending_numbers("values of a sweep", values, MOST_VALUES)
    if over is Axis.STEPS and not all(number == int(number) for number in numbers):
        raise RequestError("steps are whole numbers")
    if over is Axis.STEP_SIZE and numbers[0] == 0:
        raise RequestError("a step size must be larger than 0")
    return numbers


def _changed(condition: Condition, **changes: Any) -> Condition:
    """Return the condition with other values. Raises RequestError if it does not have them."""
    if any(getattr(condition, name) is None and value is not None for name, value in changes.items()):
        raise RequestError(f"{condition.label} has no {' or '.join(changes)} to vary; vary epsilon, or choose PGD")
    try:
        return replace(condition, **changes)
    except ValueError as error:
        raise RequestError(str(error)) from None
