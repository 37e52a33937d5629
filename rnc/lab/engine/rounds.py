"""All batches of a subject attacked round by round together, so that a stop finds every image equally far."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rnc import attacks
from rnc.attacks import AttackStep, SampleNoise
from rnc.conditions import Condition
from rnc.lab.engine.loading import Subject
from rnc.vocabulary import LabelRule

Stopped = Callable[[], bool]
"""Whether the end is wanted; asked after every round."""


@dataclass(frozen=True)
class Round:
    """All images (N, c, h, w) that the attacker would hand over if stopped after `step` steps of restart `restart`."""

    restart: int
    step: int
    kept: torch.Tensor
    without_gradient: int = 0
    """At how many of the images every gradient so far was exactly 0, so that the attack cannot move them."""


def attack(subject: Subject, condition: Condition, seed: int) -> Iterator[Round]:
    """The rounds of an attack on all images of the subject; its random numbers depend on (seed, sample index) alone."""
    for steps in zip(*[_steps(subject, condition, seed, part) for part in subject.batches()], strict=True):
        kept = torch.cat([step.kept for step in steps])
        still = sum(int(step.without_gradient.sum()) for step in steps if step.without_gradient is not None)
        yield Round(steps[0].restart, steps[0].step, kept, still)


def finish(
    subject: Subject, condition: Condition, seed: int, on_round: Callable[[], None], stopped: Stopped
) -> Round | None:
    """Return an attack's last round; None where it was stopped before. `on_round` is called after every round."""
    last = None
    for done, last in enumerate(attack(subject, condition, seed), 1):  # noqa: B007  (the last one is wanted)
        on_round()
        if stopped() and done < attacks.rounds(condition):
            return None
    return last


def goals(subject: Subject, condition: Condition) -> torch.Tensor:
    """The classes (N,) that an attack drives at; the true ones, which it drives away from, where it is untargeted."""
    images, labels = subject.images, subject.labels
    parts = [
        attacks.goal(condition, subject.logits_fn, images[part], labels[part], subject.num_classes)
        for part in subject.batches()
    ]
    return torch.cat(parts)


def measured_by(condition: Condition, goal: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The labels (N,) by which the images of a condition are measured, of its goals and the true ones."""
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
