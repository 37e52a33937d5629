"""Auto-PGD (Croce and Hein 2020): PGD with momentum that halves a sample's step size when its steps gain too little."""

import math
from collections.abc import Iterator
from functools import partial

import torch

from rnc.attacks.loop import AttackStep, Climb, Logits, Worth, attack_loop, check_attack, choose
from rnc.attacks.norm_balls import Ball
from rnc.attacks.objectives import Objective, cross_entropy
from rnc.attacks.randomness import SampleNoise, as_noise

_MOMENTUM = 0.75  # alpha
_ENOUGH = 0.75  # rho, the share of steps that must raise the objective


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

    Each sample keeps the best point found so far, as ordered by `Worth`: a point that the network classifies as the
    attacker wants comes before one that it does not, then the higher objective wins. Hence `kept` is never worse for
    the attacker than the start. Arguments and errors are those of `pgd`; Auto-PGD chooses the step sizes itself. It
    makes one forward pass more than PGD, because it also evaluates the last point.
    """
    check_attack(images, labels, ball, steps, restarts, None, check_pixels)
    climb = Climb(logits_fn, images.detach(), labels, ball, objective, targeted)
    yield from attack_loop(climb, partial(_walk, steps), steps, restarts, None, as_noise(generator))


def checkpoints(steps: int) -> list[int]:
    """Return the steps w_1 < w_2 < ... after which step sizes are reviewed.

    They are ceil(p_j steps), with p_j from section 3 of the paper.
    """
    before, share, found = 0.0, 0.22, []
    while share <= 1:
        found.append(math.ceil(round(share * steps, 9)))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return [step for step in dict.fromkeys(found) if 0 < step < steps]


def _walk(steps: int, climb: Climb, start: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Run algorithm 1 of the paper. A review takes effect before the next step, so no step is computed and then discarded."""
    images = previous = start
    found, reviews, reviewed = (
        _Found(start, *_look(climb, start, steps == 0), 2 * climb.ball.epsilon),
        checkpoints(steps),
        0,
    )
    for step in range(steps):
        yield images, found.kept
        gradient = found.gradient
        if step in reviews:
            halved = found.review(step - reviewed)
            images, gradient = choose(halved, found.best, images), choose(halved, found.best_gradient, gradient)
            reviewed = step
        ahead = climb.moved(images, found.step_sizes.view(-1, 1, 1, 1) * climb.ball.ascend(gradient, 1.0))
        if step > 0:
            ahead = climb.moved(images, _MOMENTUM * (ahead - images) + (1 - _MOMENTUM) * (images - previous))
        images, previous = ahead, images
        found.arrive(images, *_look(climb, images, step + 1 == steps))
    yield images, found.kept


def _look(climb: Climb, images: torch.Tensor, last: bool) -> tuple[Worth, torch.Tensor]:
    """Return the worth of the points and the gradient there; the last points need no gradient and get zeros."""
    return (climb.worth(images), torch.zeros_like(images)) if last else climb.worth_and_gradient(images)


class _Found:
    """The state of one restart per sample: the best points, the step size, and the number of gains since the last review."""

    def __init__(self, start: torch.Tensor, worth: Worth, gradient: torch.Tensor, step_size: float) -> None:
        self.kept, self._kept_worth = start, worth
        self.best, self._best_value, self.best_gradient = start, worth.value, gradient  # best by the objective alone
        self.gradient, self._value = gradient, worth.value
        self.step_sizes = torch.full_like(worth.value, step_size)
        self._gains = torch.zeros_like(worth.won, dtype=torch.int64)
        self._halved, self._reviewed_value = torch.zeros_like(worth.won), worth.value

    def arrive(self, images: torch.Tensor, worth: Worth, gradient: torch.Tensor) -> None:
        """Update the state with the points that a step led to."""
        better = worth.above(self._kept_worth)
        self.kept, self._kept_worth = choose(better, images, self.kept), worth.where(better, self._kept_worth)
        higher = worth.value > self._best_value
        self.best, self.best_gradient = choose(higher, images, self.best), choose(higher, gradient, self.best_gradient)
        self._best_value = torch.where(higher, worth.value, self._best_value)
        self._gains = self._gains + (worth.value > self._value)
        self.gradient, self._value = gradient, worth.value

    def review(self, window: int) -> torch.Tensor:
        """Halve the step sizes of samples that gained too rarely, or not at all since a review without halving; return which."""
        seldom = self._gains < _ENOUGH * window
        stuck = ~self._halved & (self._best_value == self._reviewed_value)
        self._halved, self._reviewed_value = seldom | stuck, self._best_value
        self._gains = torch.zeros_like(self._gains)
        self.step_sizes = torch.where(self._halved, self.step_sizes / 2, self.step_sizes)
        return self._halved
