"""Attacks on all batches of a subject, one round at a time, so that all images have taken equally many steps at a stop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rnc import attacks
from rnc.attacks import AttackStep, SampleNoise
from rnc.conditions import Condition
from rnc.lab.engine.loading import Subject
from rnc.vocabulary import LabelRule

Stopped = Callable[[], bool]
"""A function that returns True if a stop is requested; called after every round."""


@dataclass(frozen=True)
class Round:
    """All images (N, c, h, w) as the attack would return them if it stopped after `step` steps of restart `restart`."""

    restart: int
    step: int
    kept: torch.Tensor
    without_gradient: int = 0
    """Number of images for which every gradient so far was exactly 0, so the attack cannot move them."""


def attack(subject: Subject, condition: Condition, seed: int) -> Iterator[Round]:
    """Yield the rounds of an attack on all images; its random numbers depend only on the seed and the sample index."""
    for steps in zip(*[_steps(subject, condition, seed, part) for part in subject.batches()], strict=True):
        kept = torch.cat([step.kept for step in steps])
        still = sum(int(step.without_gradient.sum()) for step in steps if step.without_gradient is not None)
        yield Round(steps[0].restart, steps[0].step, kept, still)


def finish(
    subject: Subject, condition: Condition, seed: int, on_round: Callable[[], None], stopped: Stopped
) -> Round | None:
    """Return an attack's last round; None if it was stopped earlier. `on_round` is called after every round."""
    last = None
    for done, last in enumerate(attack(subject, condition, seed), 1):  # noqa: B007  (the last one is wanted)
        on_round()
        if stopped() and done < attacks.num_iterations(condition):
            return None
    return last


def goals(subject: Subject, condition: Condition) -> torch.Tensor:
    """Return the attack's target classes (N,), or the true classes, from which an untargeted one moves away."""
    images, labels = subject.images, subject.labels
    parts = [
        attacks.attack_labels(condition, subject.logits_fn, images[part], labels[part], subject.num_classes)
        for part in subject.batches()
    ]
    return torch.cat(parts)


def measured_by(condition: Condition, goal: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the labels (N,) with which a condition's images are measured: the target classes or the true labels."""
    return goal if condition.label_rule is LabelRule.TARGET else labels


def _steps(subject: Subject, condition: Condition, seed: int, part: torch.Tensor) -> Iterator[AttackStep]:
    return attacks.attack_steps(
        condition,
        subject.logits_fn,
        subject.images[part],
        subject.labels[part],
        subject.num_classes,
        SampleNoise(seed, subject.indices[part]),
    )
