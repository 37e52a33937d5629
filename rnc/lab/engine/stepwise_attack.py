"""Attacks on all batches of images, one round at a time, so that all images have taken equally many steps at a stop.

Tested by tests/rnc/lab/engine/test_trajectory.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from rnc import attacks
from rnc.attacks import AttackStep, SampleNoise
from rnc.conditions import Condition
from rnc.lab.engine.loading import AttackInputs
from rnc.vocabulary import LabelRule

Progress = Callable[[int, int, dict[str, Any] | None], None]
"""A function of the completed rounds, all rounds, and the row of a new frame or None."""
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


def attack(inputs: AttackInputs, condition: Condition, seed: int) -> Iterator[Round]:
    """Yield the rounds of an attack on all images; its random numbers depend only on the seed and the sample index."""
    for steps in zip(*[_steps(inputs, condition, seed, part) for part in inputs.batched_positions()], strict=True):
        images = torch.cat([step.kept for step in steps])
        without = sum(int(step.without_gradient.sum()) for step in steps if step.without_gradient is not None)
        yield Round(steps[0].restart, steps[0].step, images, without)


def last_round(
    inputs: AttackInputs, condition: Condition, seed: int, on_round: Callable[[], None], stopped: Stopped
) -> Round | None:
    """Return an attack's last round; None if it was stopped earlier. `on_round` is called after every round."""
    last = None
    for done, last in enumerate(attack(inputs, condition, seed), 1):  # noqa: B007  (the last round is returned)
        on_round()
        if stopped() and done < attacks.num_iterations(condition):
            return None
    return last


def attack_labels(inputs: AttackInputs, condition: Condition) -> torch.Tensor:
    """Return the attack's target classes (N,), or the true classes, from which an untargeted one moves away."""
    images, labels = inputs.images, inputs.labels
    parts = [
        attacks.attack_labels(condition, inputs.logits_fn, images[part], labels[part], inputs.num_classes)
        for part in inputs.batched_positions()
    ]
    return torch.cat(parts)


def measurement_labels(condition: Condition, of_attack: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the labels (N,) with which a condition's images are measured: the target classes or the true labels."""
    return of_attack if condition.label_rule is LabelRule.TARGET else labels


def _steps(inputs: AttackInputs, condition: Condition, seed: int, part: torch.Tensor) -> Iterator[AttackStep]:
    return attacks.attack_steps(
        condition,
        inputs.logits_fn,
        inputs.images[part],
        inputs.labels[part],
        inputs.num_classes,
        SampleNoise(seed, inputs.indices[part]),
    )
