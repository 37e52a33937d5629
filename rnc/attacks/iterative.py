"""The frame of all iterative attacks: their common parameters, their checks, and the restarts.

Tested by tests/rnc/attacks/test_invariants.py.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch

from rnc.attacks.losses import Loss, cross_entropy
from rnc.attacks.norm_balls import Ball, check_ball_not_too_large
from rnc.attacks.problem import AttackProblem, AttackScore, Logits, choose
from rnc.attacks.randomness import SampleNoise, as_noise


@dataclass(frozen=True)
class AttackStep:
    """The state of an attack after `step` steps (0 is the start) of restart `restart` (from 0).

    `images` are the iterates of this restart. `kept` are the images that the attack would return if it stopped here:
    the best results of the finished restarts. During the first restart, they are the iterates (PGD) or the best points
    (APGD).
    """

    restart: int
    step: int
    images: torch.Tensor
    kept: torch.Tensor
    without_gradient: torch.Tensor | None = None
    """True (N,) for images where every gradient so far, over all restarts, was exactly 0: the attack cannot move them.

    It is None before the first gradient, and for perturbations that use no gradient. In float32 this happens when the
    cross entropy is exactly 0.
    """


@dataclass(frozen=True)
class IterativeAttack:
    """An attack of `steps` steps inside `ball`, to raise `loss`, or to lower it if the labels are targets (`targeted`).

    Of several restarts, each sample keeps the best result: one that the network classifies as the attacker wants comes
    first, then the one with the best loss. `check_pixels=False` skips the check of the pixel range, which makes a GPU
    wait, if pixels are known to be in [0, 1]. Raises ValueError for steps or restarts out of range.

    The caller chooses the network's mode, and the attack does not change it; parameters and their gradients stay
    unchanged.
    """

    ball: Ball
    steps: int
    _: KW_ONLY
    loss: Loss = cross_entropy
    targeted: bool = False
    restarts: int = 1
    check_pixels: bool = True

    starts_clean: ClassVar[bool] = False
    """True if the first restart begins at the clean images instead of random points of the ball."""

    def __post_init__(self) -> None:
        """Reject counts out of range."""
        if self.steps < 0 or self.restarts < 1:
            raise ValueError(f"steps >= 0 and restarts >= 1 are needed; got {self.steps}, {self.restarts}")

    def run(
        self,
        logits_fn: Logits,
        images: torch.Tensor,
        labels: torch.Tensor,
        generator: torch.Generator | SampleNoise | None = None,
        start: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the perturbed images of clean images (N, c, h, w) in [0, 1] with labels (N,).

        The first restart begins at `start` (perturbed images) if given. Random starts come from `generator`. Raises
        ValueError for pixels outside [0, 1] and for shapes that do not match.
        """
        (last,) = deque(self.iterates(logits_fn, images, labels, generator, start), maxlen=1)
        return last.kept

    def iterates(
        self,
        logits_fn: Logits,
        images: torch.Tensor,
        labels: torch.Tensor,
        generator: torch.Generator | SampleNoise | None = None,
        start: torch.Tensor | None = None,
    ) -> Iterator[AttackStep]:
        """Yield every point of the attack that `run` makes, its starts included: restarts * (steps + 1) of them.

        Arguments and errors are those of `run`. The caller may stop at any point and use `kept`.
        """
        self._check(images, labels, start)
        noise = as_noise(generator)
        if start is None and self.starts_clean:
            start = images
        problem = AttackProblem(logits_fn, images.detach(), labels, self.ball, self.loss, self.targeted)
        best: tuple[torch.Tensor, AttackScore] | None = None
        for restart in range(self.restarts):
            if start is not None and restart == 0:
                delta = start.detach() - problem.clean
            else:
                delta = self.ball.random_start(problem.clean, noise)
            path = self.iterates_and_kept_images(problem, self.ball.starting_images(problem.clean, delta))
            for step, (iterate, kept) in enumerate(path):
                if step == self.steps and self.restarts > 1:
                    best = _better(problem, kept, best)
                yield AttackStep(restart, step, iterate, kept if best is None else best[0], problem.without_gradient)

    def iterates_and_kept_images(
        self, problem: AttackProblem, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (iterate, images that this restart would return) at the start and after every step: the algorithm itself."""
        raise NotImplementedError

    def _check(self, images: torch.Tensor, labels: torch.Tensor, start: torch.Tensor | None) -> None:
        """Raise ValueError for images, labels or a start that the attack cannot use."""
        if images.dim() != 4 or labels.shape != images.shape[:1]:
            raise ValueError(
                f"images must be (N, c, h, w) and labels (N,); got {tuple(images.shape)}, {tuple(labels.shape)}"
            )
        check_ball_not_too_large(self.ball, images)
        if start is not None and start.shape != images.shape:
            raise ValueError(f"start must have the shape of images, {tuple(images.shape)}; got {tuple(start.shape)}")
        if self.check_pixels and not torch.all((images >= 0) & (images <= 1)):
            raise ValueError("pixels must be in [0, 1]: pass images before normalisation, the model normalises inside")


def _better(
    problem: AttackProblem, images: torch.Tensor, best: tuple[torch.Tensor, AttackScore] | None
) -> tuple[torch.Tensor, AttackScore]:
    """Return the better of two results for each sample, and its score."""
    score = problem.score(images)
    if best is None:
        return images, score
    best_images, best_score = best
    better = score.better_than(best_score)
    return choose(better, images, best_images), score.where(better, best_score)
