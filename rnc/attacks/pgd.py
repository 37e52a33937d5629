"""Projected gradient descent: the one loop of this house (Madry et al. 2018; paper, section 2)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rnc.attacks.norm_balls import Ball
from rnc.attacks.objectives import Objective, cross_entropy
from rnc.attacks.randomness import SampleNoise, as_noise

Logits = Callable[[torch.Tensor], torch.Tensor]
"""Images (N, c, h, w) in [0, 1] -> logits (N, C)."""


@dataclass(frozen=True)
class PGDStep:
    """Where the attack stands: after `step` steps (0 is the start) of restart `restart` (from 0).

    `images` are this restart's iterates. `kept` are what the attacker would hand over if stopped here: the best ends
    of the finished restarts, or the iterates while the first one is under way.
    """

    restart: int
    step: int
    images: torch.Tensor
    kept: torch.Tensor


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
    restarts: int = 1,
    start: torch.Tensor | None = None,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> torch.Tensor:
    """Perturb images (N, c, h, w) inside `ball` and [0, 1] to raise the objective, or lower it for `targeted` labels.

    `steps` steps of `step_size` (pixel units) from a random point of the ball, or from `start` (perturbed images) in the
    first restart. Of several restarts, each sample keeps the end that suits the attacker's objective best. The network's
    mode is the caller's choice and is not switched; parameters and their gradients stay as they are.
    `check_pixels=False` spares a GPU the wait that looking at the pixels takes, where they are known to be in [0, 1].
    Raises ValueError for pixels outside [0, 1], shapes that do not match and counts that make no sense.
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
    restarts: int = 1,
    start: torch.Tensor | None = None,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> Iterator[PGDStep]:
    """Yield every point of the attack that `pgd` runs, its starts included: restarts * (steps + 1) of them.

    Arguments and errors are those of `pgd`. A consumer may stop at any point and take `kept`.
    """
    _check(images, labels, steps, step_size, restarts, start, check_pixels)
    clean, noise = images.detach(), as_noise(generator)
    sign = -1.0 if targeted else 1.0
    kept, best = clean, None
    for restart in range(restarts):
        first = start.detach() - clean if start is not None and restart == 0 else ball.random_start(clean, noise)
        current = ball.confine(clean, first)
        for step in range(steps + 1):
            if step > 0:
                gradient = _input_gradient(logits_fn, current, labels, objective)
                current = ball.confine(clean, current - clean + ball.ascend(sign * gradient, step_size))
            if step == steps and restarts > 1:
                kept, best = _keep_better(logits_fn, current, labels, objective, sign, kept, best)
            yield PGDStep(restart, step, current, kept if best is not None else current)


def _input_gradient(
    logits_fn: Logits, images: torch.Tensor, labels: torch.Tensor, objective: Objective
) -> torch.Tensor:
    with torch.enable_grad():
        images = images.detach().requires_grad_(True)
        return torch.autograd.grad(objective(logits_fn(images), labels).sum(), images)[0]


@torch.no_grad()
def _keep_better(
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    objective: Objective,
    sign: float,
    kept: torch.Tensor,
    best: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    value = sign * objective(logits_fn(images), labels)
    if best is None:
        return images, value
    better = value > best
    return torch.where(better.view(-1, 1, 1, 1), images, kept), torch.where(better, value, best)


def _check(
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    step_size: float,
    restarts: int,
    start: torch.Tensor | None,
    check_pixels: bool,
) -> None:
    if images.dim() != 4 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"images must be (N, c, h, w) and labels (N,); got {tuple(images.shape)}, {tuple(labels.shape)}"
        )
    if start is not None and start.shape != images.shape:
        raise ValueError(f"start must have the shape of images, {tuple(images.shape)}; got {tuple(start.shape)}")
    if steps < 0 or restarts < 1 or not 0 < step_size < math.inf:
        raise ValueError(
            f"steps >= 0, restarts >= 1 and a finite step_size > 0 are needed; got {steps}, {restarts}, {step_size}"
        )
    if check_pixels and not torch.all((images >= 0) & (images <= 1)):
        raise ValueError("pixels must be in [0, 1]: pass images before normalisation, the model normalises inside")
