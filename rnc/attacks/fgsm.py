"""The fast gradient (sign) method: a single step of epsilon from the clean image (Goodfellow et al. 2015).

Tested by tests/rnc/attacks/test_invariants.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from rnc.attacks.iterative import IterativeAttack
from rnc.attacks.problem import AttackProblem


@dataclass(frozen=True)
class FGSM(IterativeAttack):
    """A single step to the boundary of the ball: along the gradient's sign (l_inf) or the normalised gradient (l_2)."""

    steps: int = field(default=1, init=False)

    starts_clean: ClassVar[bool] = True

    def iterates_and_kept_images(
        self, problem: AttackProblem, start: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the start and the point after the step."""
        yield start, start
        images = problem.move_within_ball(start, self.ball.ascent_step(problem.gradient(start), self.ball.epsilon))
        yield images, images
