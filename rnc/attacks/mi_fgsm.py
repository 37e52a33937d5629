"""MI-FGSM, PGD from the clean image along a decaying sum of normalised gradients (Dong et al. 2018, algorithm 1).

Tested by tests/rnc/attacks/test_steps.py.
"""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import torch

from rnc.attacks.norm_balls import amplitudes
from rnc.attacks.pgd import PGD
from rnc.attacks.problem import AttackProblem, per_sample


@dataclass(frozen=True)
class MIFGSM(PGD):
    """PGD with momentum, from the clean image; `momentum` is the paper's decay factor mu."""

    _: KW_ONLY
    momentum: float = 1.0

    starts_clean: ClassVar[bool] = True

    def iterates_and_kept_images(
        self, problem: AttackProblem, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Take the steps g <- mu g + gradient / |gradient|_1 (equation 6); the attacker keeps the last point."""
        images = start
        g: torch.Tensor | float = 0.0
        yield images, images
        for step_size in self.step_sizes():
            g = self.momentum * g + l1_normalised(problem.gradient(images))
            images = problem.move_within_ball(images, self.ball.ascent_step(g, step_size))
            yield images, images


def l1_normalised(gradient: torch.Tensor) -> torch.Tensor:
    """Divide each sample's gradient (N, c, h, w) by its l_1 norm, however small it is; a zero gradient stays 0."""
    largest = per_sample(amplitudes(gradient))
    unit = gradient / torch.where(largest == 0, 1.0, largest)
    return unit / per_sample(unit.abs().sum((1, 2, 3)).clamp_min(1.0))
