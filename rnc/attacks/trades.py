"""The inner maximisation of TRADES: PGD on a KL divergence, with its own start and its own l_2 steps (Zhang et al. 2019)."""

from dataclasses import dataclass, field

import torch

from rnc.attacks.losses import kl_from
from rnc.attacks.norm_balls import L2Ball, LinfBall, amplitudes
from rnc.attacks.pgd import PGD
from rnc.attacks.problem import Logits
from rnc.attacks.randomness import Noise, SampleNoise, as_noise
from rnc.vocabulary import Norm

_START_SD = 0.001  # the attack starts at 0.001 N(0, 1); paper, section 2


class _UnclippedStart:
    """A ball whose start may lie outside [0, 1]: TRADES takes its first gradient there; all later points are confined."""

    def starting_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
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

    def ascent_step(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """Return the step along the normalised gradient, or along the random direction if the gradient is 0."""
        vanished = (amplitudes(gradient) == 0).view(-1, *(1,) * (gradient.dim() - 1))
        return super().ascent_step(torch.where(vanished, self.direction, gradient), step_size)

    def confined_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Clip to [0, 1], then shorten: a point between two valid images is a valid image."""
        return clean + self.project((clean + delta).clamp(0.0, 1.0) - clean)


@dataclass(frozen=True)
class TRADESAttack:
    """The inner maximisation of TRADES: raise KL(p(clean) || p(perturbed)) from a start at 0.001 N(0, 1).

    `step_size` applies to l_inf; in l_2 TRADES takes steps of 2 epsilon / steps. `check_pixels` is that of
    `IterativeAttack`, and the caller chooses the network's mode as there.
    """

    norm: Norm
    epsilon: float
    steps: int
    step_size: float
    check_pixels: bool = True

    def run(
        self,
        logits_fn: Logits,
        images: torch.Tensor,
        labels: torch.Tensor,
        generator: torch.Generator | SampleNoise | None = None,
    ) -> torch.Tensor:
        """Return the perturbed images of clean images (N, c, h, w) in [0, 1]; labels (N,) are ignored.

        As in the authors' code, the start is not clipped before the first gradient; the result always is.
        """
        noise = as_noise(generator)
        with torch.no_grad():
            loss = kl_from(logits_fn(images))
        start = images + _START_SD * noise.normal(images.shape, images)
        pgd = PGD(self._ball(images, noise), self.steps, self._step_size(), loss=loss, check_pixels=self.check_pixels)
        perturbed = pgd.run(logits_fn, images, labels, start=start)
        return perturbed if self.steps else perturbed.clamp(0.0, 1.0)

    def _ball(self, images: torch.Tensor, noise: Noise) -> TradesLinfBall | TradesL2Ball:
        if Norm(self.norm) is Norm.LINF:
            return TradesLinfBall(self.epsilon)
        return TradesL2Ball(self.epsilon, noise.normal(images.shape, images))

    def _step_size(self) -> float:
        return self.step_size if Norm(self.norm) is Norm.LINF else 2 * self.epsilon / max(self.steps, 1)
