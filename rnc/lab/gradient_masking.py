"""The checks for gradient masking of an attack on a network: their request and their result.

Tested by tests/rnc/lab/engine/test_gradient_masking.py.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from rnc.lab.estimates import attack_passes, measured_frames
from rnc.lab.network_and_images import RequestError
from rnc.lab.request_base import OneNetworkRequest, check_attack
from rnc.lab.result_base import Result
from rnc.vocabulary import ConditionKind

UNBOUNDED_STEPS = 40
"""Least number of steps of the unbounded attack."""
_PASSES_OF_SMALL_ATTACKS = 25.0  # of the noise and the single-step attack


@dataclass(frozen=True)
class MaskingRequest(OneNetworkRequest):
    """The checks for gradient masking of an attack on a network (see `MaskingResult`). Raises RequestError."""

    kind: ClassVar[str] = "masking"
    images: int = 300
    seed: int = 0
    layers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Check all fields."""
        self._check_fields()
        check_attack(self.condition)
        if self.condition.kind not in (ConditionKind.PGD, ConditionKind.APGD) or not self.condition.steps:
            raise RequestError("the checks need an attack in steps; choose PGD or APGD with at least one step")

    def passes_per_image(self) -> float:
        """Return the approximate number of forward passes per image."""
        base = self.condition
        unbounded = replace(base, steps=max(base.steps or 0, UNBOUNDED_STEPS), step_size=None)
        passes = _PASSES_OF_SMALL_ATTACKS + attack_passes(base, every_frame=True)
        return passes + sum(attack_passes(attack, every_frame=False) for attack in (base, base, unbounded))

    def metric_computations_per_network(self) -> float:
        """Return how often the metrics of all images are computed: at every frame of the attack; other checks need few."""
        return measured_frames(self.condition, every_frame=True)


@dataclass(frozen=True)
class MaskingCheck:
    """A check for one sign of gradient masking."""

    name: str
    title: str
    warns: bool
    finding: str
    """The sentence that states the finding, with its numbers."""
    numbers: dict[str, float]
    source: str
    """Paper and section."""


@dataclass(frozen=True)
class MaskingResult(Result):
    """Evidence on why an attack fails: because the network is robust, or because its gradients are masked."""

    stored_as: ClassVar[str] = "MaskingResult"
    condition: str
    images: int
    stopped: bool
    """True if the checks were stopped; `checks` then holds those that were completed."""
    as_recorded: bool
    device: str
    seconds: float
    checks: list[MaskingCheck]

    def __post_init__(self) -> None:
        """Convert checks that were read from JSON to `MaskingCheck`."""
        checks = [MaskingCheck(**check) if isinstance(check, dict) else check for check in self.checks]
        object.__setattr__(self, "checks", checks)

    @property
    def warnings(self) -> list[MaskingCheck]:
        """The checks that found their sign of gradient masking."""
        return [check for check in self.checks if check.warns]

    def _summary(self) -> dict[str, Any]:
        return {"condition": self.condition, "warnings": [check.name for check in self.warnings]}
