"""Projected gradient descent (Madry et al. 2018; paper, section 2), with schedules of the step size."""

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import torch

from rnc.attacks.iterative import IterativeAttack
from rnc.attacks.problem import AttackProblem
from rnc.vocabulary import StepSchedule


@dataclass(frozen=True)
class PGD(IterativeAttack):
    """PGD: steps of `step_size` (pixel units) from a random point of the ball; `schedule` shrinks the steps.

    Raises ValueError also for a step size that is not finite and positive.
    """

    step_size: float
    _: KW_ONLY
    schedule: StepSchedule = StepSchedule.CONSTANT

    def __post_init__(self) -> None:
        """Reject counts and sizes out of range."""
        super().__post_init__()
        if not 0 < self.step_size < math.inf:
            raise ValueError(f"a finite step_size > 0 is needed; got {self.step_size}")

    def iterates_and_kept_images(
        self, problem: AttackProblem, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Take the ascent steps one by one; the attacker keeps the last point, even if an earlier one was better."""
        images = start
        yield images, images
        for step_size in self.step_sizes():
            gradient = problem.gradient(images)
            images = problem.move_within_ball(images, self.ball.ascent_step(gradient, step_size))
            yield images, images

    def step_sizes(self) -> list[float]:
        """Return the size of each step."""
        return [self.step_size * schedule_factor(self.schedule, step, self.steps) for step in range(self.steps)]


def schedule_factor(schedule: StepSchedule, step: int, steps: int) -> float:
    """Return the factor of the step size at step 0, 1, ... of `steps`; it is 1 at the first step."""
    if schedule is StepSchedule.LINEAR:
        return 1 - step / steps
    if schedule is StepSchedule.COSINE:
        return (1 + math.cos(math.pi * step / steps)) / 2
    return 1.0
