"""Attacks on all batches of images, one round at a time, so that all images have taken equally many steps at a stop.

Tested by tests/rnc/lab/engine/test_measured_attack_frames.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from rnc import attacks
from rnc.attacks import SampleNoise
from rnc.conditions import Condition
from rnc.lab.engine.loading import AttackInputs

ReportProgress = Callable[[int, int, dict[str, Any] | None], None]
"""A function of the completed rounds, all rounds, and the row of a new frame or None."""
SUCCESS = "success"
"""The metric's name for the share of images for which an attack succeeds."""
Stopped = Callable[[], bool]
"""A function that returns True if a stop is requested; called after every round."""


@dataclass(frozen=True)
class Round:
    """All images (N, c, h, w) as the attack would return them if it stopped after `step` steps of restart `restart`."""

    restart: int
    step: int
    images: torch.Tensor
    without_gradient: int = 0
    """Number of images for which every gradient so far was exactly 0, so the attack cannot move them."""


class StepwiseAttack:
    """An attack on all images of the inputs, for which this constructor reads all that a condition says about it."""

    def __init__(self, inputs: AttackInputs, condition: Condition, seed: int) -> None:
        """Prepare the attack; its random numbers depend only on the seed and the sample index.

        Raises ValueError if the attack is not possible with these images or with this number of classes.
        """
        self._compare = torch.eq if condition.is_targeted else torch.ne
        self.num_rounds = condition.num_points_over_restarts
        """Number of rounds: the start and the steps of every restart."""
        batches = [
            attacks.prepare(
                condition,
                inputs.logits_fn,
                inputs.images[part],
                inputs.labels[part],
                inputs.num_classes,
                SampleNoise(seed, inputs.indices[part]),
            )
            for part in inputs.batched_positions()
        ]
        self.target_labels = torch.cat([batch.attack_labels for batch in batches])
        """The attack's target classes (N,), or the true classes, from which an untargeted one moves away."""
        self.measured_by = torch.cat([batch.measured_by for batch in batches])
        """The labels (N,) with which the attacked images are measured: the target classes or the true labels."""
        self._batches = batches

    def rounds(self) -> Iterator[Round]:
        """Yield the rounds of the attack, once."""
        for steps in zip(*(batch.steps for batch in self._batches), strict=True):
            images = torch.cat([step.kept for step in steps])
            without = sum(int(step.without_gradient.sum()) for step in steps if step.without_gradient is not None)
            yield Round(steps[0].restart, steps[0].step, images, without)

    def share_wrong_or_on_target(self, predicted: torch.Tensor) -> float:
        """Return the share of predictions (N,) for which the attack succeeds: the target or, if untargeted, a wrong class."""
        return float(self._compare(predicted, self.target_labels).double().mean())
