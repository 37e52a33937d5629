"""The inner attack of TRADES: PGD with a KL objective, its own start and its own l_2 steps (Zhang et al. 2019)."""

from dataclasses import dataclass, field

import torch

from rnc.attacks.loop import Logits
from rnc.attacks.norm_balls import L2Ball, LinfBall, amplitudes
from rnc.attacks.objectives import kl_from
from rnc.attacks.pgd import pgd
from rnc.attacks.randomness import SampleNoise, as_noise
from rnc.vocabulary import Norm

_START_SD = 0.001  # the attack starts at 0.001 N(0, 1); paper, section 2


class _UnclippedStart:
    """A ball whose start may lie outside [0, 1]: TRADES takes its first gradient there; all later points are confined."""

    def begin(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the point clean + delta."""
        return clean + delta


@dataclass(frozen=True)
class TradesLinfBall(_UnclippedStart, LinfBall):
    """The l_inf ball of TRADES."""


@dataclass(frozen=True)
class TradesL2Ball(_UnclippedStart, L2Ball):
    """The l_2 ball of TRADES: it steps in a random direction if the gradient vanishes, and clips before it projects."""

    direction: torch.Tensor = field(compare=False)
    """(N, c, h, w) random direction, drawn once per attack."""

    def ascend(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """Return the step along the normalised gradient, or along the random direction if the gradient is 0."""
        vanished = (amplitudes(gradient) == 0).view(-1, *(1,) * (gradient.dim() - 1))
        return super().ascend(torch.where(vanished, self.direction, gradient), step_size)

    def confine(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Clip to [0, 1], then shorten: a point between two valid images is a valid image."""
        return clean + self.project((clean + delta).clamp(0.0, 1.0) - clean)


def trades_attack(
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    norm: Norm,
    epsilon: float,
    steps: int,
    step_size: float,
    generator: torch.Generator | SampleNoise | None = None,
    check_pixels: bool = True,
) -> torch.Tensor:
    """Perturb images (N, c, h, w) in [0, 1] to raise KL(p(clean) || p(perturbed)); labels (N,) are ignored.

    As in the authors' code, the start at 0.001 N(0, 1) is not clipped before the first gradient; the result always is.
    `step_size` applies to l_inf; in l_2 TRADES takes steps of 2 epsilon / steps. The caller chooses the mode, as in
    `pgd`.
    """
    noise = as_noise(generator)
    with torch.no_grad():
        objective = kl_from(logits_fn(images))
    start = images + _START_SD * noise.normal(images.shape, images)
    ball: TradesLinfBall | TradesL2Ball
    if Norm(norm) is Norm.LINF:
        ball = TradesLinfBall(epsilon)
    else:
        ball = TradesL2Ball(epsilon, noise.normal(images.shape, images))
        step_size = 2 * epsilon / max(steps, 1)
    perturbed = pgd(
        logits_fn, images, labels, ball, steps, step_size, objective=objective, start=start, check_pixels=check_pixels
    )
    return perturbed if steps else perturbed.clamp(0.0, 1.0)
