"""Auto-PGD (Croce and Hein 2020): PGD with momentum that halves its steps, sample by sample, where they bring too little."""

import math
from collections.abc import Iterator
from functools import partial

import torch

from rnc.attacks.loop import AttackStep, Climb, Logits, attack_loop, check_attack
from rnc.attacks.norm_balls import Ball
from rnc.attacks.objectives import Objective, cross_entropy
from rnc.attacks.randomness import SampleNoise, as_noise

_MOMENTUM = 0.75  # alpha
_ENOUGH = 0.75  # rho, the share of steps that must gain


def apgd_steps(
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    ball: Ball,
    steps: int,
    *,
    targeted: bool = False,
    objective: Objective = cross_entropy,
    restarts: int = 1,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> Iterator[AttackStep]:
    """Yield every point of Auto-PGD from random points of the ball, the starts included: restarts * (steps + 1) of them.

    Each sample keeps the best point that it has met, so that `kept` is never worse for the attacker than the start.
    Arguments and errors are those of `pgd`; sizes of steps it finds by itself. It makes one pass more than PGD: the
    last point is judged, too.
    """
    check_attack(images, labels, steps, restarts, None, check_pixels)
    climb = Climb(logits_fn, images.detach(), labels, ball, objective, targeted)
    yield from attack_loop(climb, partial(_walk, steps), steps, restarts, None, as_noise(generator))


def checkpoints(steps: int) -> list[int]:
    """The steps w_1 < w_2 < ... after which step sizes are reviewed: ceil(p_j steps), p_j as in the paper's section 3."""
    before, share, found = 0.0, 0.22, []
    while share <= 1:
        found.append(math.ceil(round(share * steps, 9)))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return [step for step in dict.fromkeys(found) if 0 < step < steps]


def _walk(steps: int, climb: Climb, start: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Algorithm 1 of the paper. A review takes effect before the next step, so that no step is made and thrown away."""
    images = previous = start
    found, reviews, reviewed = _Found(climb, start), checkpoints(steps), 0
    for step in range(steps):
        gradient = found.look_at(images)
        yield images, found.best
        if step in reviews:
            halved = found.review(step - reviewed)
            images, gradient = _choose(halved, found.best, images), _choose(halved, found.best_gradient, gradient)
            reviewed = step
        ahead = climb.moved(images, _wide(found.step_sizes) * climb.ball.ascend(gradient, 1.0))
        if step > 0:
            ahead = climb.moved(images, _MOMENTUM * (ahead - images) + (1 - _MOMENTUM) * (images - previous))
        images, previous = ahead, images
    found.look_at_last(images)
    yield images, found.best


class _Found:
    """What a walk knows of each sample: its best point, its step size, and how often it has gained since the last review."""

    def __init__(self, climb: Climb, start: torch.Tensor) -> None:
        self._climb = climb
        self.best, self.best_gradient = start, torch.zeros_like(start)
        self._best_value = start.new_full((len(start),), -math.inf)
        self._value = self._best_value
        self.step_sizes = start.new_full((len(start),), 2 * climb.ball.epsilon)
        self._gains = torch.zeros(len(start), dtype=torch.int64, device=start.device)
        self._halved = torch.zeros(len(start), dtype=torch.bool, device=start.device)
        self._reviewed_value: torch.Tensor | None = None

    def look_at(self, images: torch.Tensor) -> torch.Tensor:
        """Judge the points reached; returns the uphill gradient there."""
        value, gradient = self._climb.value_and_gradient(images)
        better = self._judge(images, value)
        self.best_gradient = _choose(better, gradient, self.best_gradient)
        return gradient

    def look_at_last(self, images: torch.Tensor) -> None:
        """Judge the points reached, without a gradient."""
        self._judge(images, self._climb.value(images))

    def _judge(self, images: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        better = value > self._best_value
        self.best = _choose(better, images, self.best)
        self._best_value = torch.where(better, value, self._best_value)
        if self._reviewed_value is None:  # (the start)
            self._reviewed_value = value
        else:
            self._gains = self._gains + (value > self._value)
        self._value = value
        return better

    def review(self, window: int) -> torch.Tensor:
        """Halve the steps of samples that gained too seldom, or nothing since a review that left the step; says which."""
        assert self._reviewed_value is not None
        seldom = self._gains < _ENOUGH * window
        stuck = ~self._halved & (self._best_value == self._reviewed_value)
        self._halved, self._reviewed_value = seldom | stuck, self._best_value
        self._gains = torch.zeros_like(self._gains)
        self.step_sizes = torch.where(self._halved, self.step_sizes / 2, self.step_sizes)
        return self._halved


def _wide(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)


def _choose(which: torch.Tensor, these: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return torch.where(_wide(which), these, others)
