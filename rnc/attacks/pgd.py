"""Projected gradient descent (Madry et al. 2018; paper, section 2), with the momentum of MI-FGSM and step-size schedules."""

import math
from collections.abc import Iterator
from functools import partial

import torch

from rnc.attacks.loop import AttackStep, Climb, Logits, attack_loop, check_attack, check_size
from rnc.attacks.norm_balls import Ball, amplitudes
from rnc.attacks.objectives import Objective, cross_entropy
from rnc.attacks.randomness import SampleNoise, as_noise
from rnc.vocabulary import StepSchedule


def pgd(
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    ball: Ball,
    steps: int,
    step_size: float,
    *,
    targeted: bool = False,
    objective: Objective = cross_entropy,
    momentum: float = 0.0,
    schedule: StepSchedule = StepSchedule.CONSTANT,
    restarts: int = 1,
    start: torch.Tensor | None = None,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> torch.Tensor:
    """Perturb images (N, c, h, w) inside `ball` and [0, 1] to raise the objective, or lower it for `targeted` labels.

    The attack makes `steps` steps of `step_size` (pixel units) from a random point of the ball; the first restart
    begins at `start` (perturbed images) if given. Of several restarts, each sample keeps the best result: one that the
    network classifies as the attacker wants comes first, then the one with the best objective. The caller chooses the
    network's mode, and the attack does not change it; parameters and their gradients stay unchanged. `momentum` is
    MI-FGSM's decay factor mu (Dong et al. 2018); `schedule` shrinks the steps. `check_pixels=False` skips the check of
    the pixel range, which makes a GPU wait, if pixels are known to be in [0, 1]. Raises ValueError for pixels outside
    [0, 1], shapes that do not match, and steps, step sizes or restarts out of range.
    """
    last = None
    for last in pgd_steps(  # noqa: B007  (the last one is wanted)
        logits_fn,
        images,
        labels,
        ball,
        steps,
        step_size,
        targeted=targeted,
        objective=objective,
        momentum=momentum,
        schedule=schedule,
        restarts=restarts,
        start=start,
        generator=generator,
        check_pixels=check_pixels,
    ):
        pass
    assert last is not None
    return last.kept


def pgd_steps(
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    ball: Ball,
    steps: int,
    step_size: float,
    *,
    targeted: bool = False,
    objective: Objective = cross_entropy,
    momentum: float = 0.0,
    schedule: StepSchedule = StepSchedule.CONSTANT,
    restarts: int = 1,
    start: torch.Tensor | None = None,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> Iterator[AttackStep]:
    """Yield every point of the attack that `pgd` runs, its starts included: restarts * (steps + 1) of them.

    Arguments and errors are those of `pgd`. The caller may stop at any point and use `kept`.
    """
    check_attack(images, labels, ball, steps, restarts, start, check_pixels)
    check_size("step_size", step_size)
    climb = Climb(logits_fn, images.detach(), labels, ball, objective, targeted)
    sizes = [step_size * share(schedule, step, steps) for step in range(steps)]
    yield from attack_loop(climb, partial(_walk, sizes, momentum), steps, restarts, start, as_noise(generator))


def share(schedule: StepSchedule, step: int, steps: int) -> float:
    """Return the factor of the step size at step 0, 1, ... of `steps`; it is 1 at the first step."""
    if schedule is StepSchedule.LINEAR:
        return 1 - step / steps
    if schedule is StepSchedule.COSINE:
        return (1 + math.cos(math.pi * step / steps)) / 2
    return 1.0


def _walk(
    sizes: list[float], momentum: float, climb: Climb, start: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Take the ascent steps one by one; the attacker keeps the last point, even if an earlier one was better."""
    images, gathered = start, torch.zeros((), dtype=start.dtype, device=start.device)
    yield images, images
    for size in sizes:
        gradient = climb.gradient(images)
        if momentum:  # g <- mu g + gradient / |gradient|_1 (Dong et al. 2018, equation 6)
            gathered = momentum * gathered + _of_length_one(gradient)
            gradient = gathered
        images = climb.moved(images, climb.ball.ascend(gradient, size))
        yield images, images


def _of_length_one(gradient: torch.Tensor) -> torch.Tensor:
    """Divide each sample's gradient by its l_1 norm, however small it is; a zero gradient stays 0."""
    largest = _per_sample(amplitudes(gradient))
    unit = gradient / torch.where(largest == 0, 1.0, largest)
    return unit / _per_sample(unit.abs().sum((1, 2, 3)).clamp_min(1.0))


def _per_sample(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 1, 1, 1)
