"""The balls that bound a perturbation: each says how to start in it, step uphill and come back (Madry et al. 2018)."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from rnc.attacks.randomness import Noise
from rnc.vocabulary import Norm

_TINY = 1e-10  # added to an l_2 norm before dividing by it; paper, section 2


class Ball(Protocol):
    """A set of perturbations delta (N, c, h, w) bounded by epsilon, in pixel units."""

    @property
    def epsilon(self) -> float:
        """The radius."""

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """A random delta inside the ball."""

    def ascend(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """The step of length `step_size` (in this norm) along the gradient."""

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """The nearest point of the ball."""

    def confine(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The image in the ball around `clean` and in [0, 1] that `delta` leads to."""


class _ClippedBall:
    """Projects, then clips: clipping moves towards the clean image, so that the ball is not left again."""

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def confine(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The image at clean + delta, brought into the ball and then into [0, 1]."""
        return (clean + self.project(delta)).clamp(0.0, 1.0)


def _check_epsilon(epsilon: float) -> None:
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be a finite number > 0, got {epsilon}")


@dataclass(frozen=True)
class LinfBall(_ClippedBall):
    """Every pixel changes by at most epsilon. Raises ValueError for an epsilon that is not > 0."""

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball."""
        _check_epsilon(self.epsilon)

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Uniform in the cube."""
        return (2 * noise.uniform(like.shape, like) - 1) * self.epsilon

    def ascend(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """The sign step."""
        return step_size * gradient.sign()

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Clip each pixel's change."""
        return delta.clamp(-self.epsilon, self.epsilon)


@dataclass(frozen=True)
class L2Ball(_ClippedBall):
    """An image's change has Euclidean norm at most epsilon. Raises ValueError for an epsilon that is not > 0."""

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball."""
        _check_epsilon(self.epsilon)

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """A Gaussian direction times a uniform fraction of epsilon."""
        fraction = noise.uniform(torch.Size((len(like),)), like)
        return scale_to(noise.normal(like.shape, like), fraction * self.epsilon)

    def ascend(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """The step along the normalised gradient."""
        return step_size * gradient / (_per_sample(gradient, norms(gradient)) + _TINY)

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Shorten what is too long."""
        factor = (self.epsilon / norms(delta).clamp_min(_TINY)).clamp_max(1.0)
        return delta * _per_sample(delta, factor)


def ball_of(norm: Norm, epsilon: float) -> LinfBall | L2Ball:
    """The ball of a norm."""
    return LinfBall(epsilon) if Norm(norm) is Norm.LINF else L2Ball(epsilon)


def norms(x: torch.Tensor) -> torch.Tensor:
    """The Euclidean norm (N,) of each sample of x (N, ...)."""
    return x.flatten(1).norm(dim=1)


def scale_to(x: torch.Tensor, length: torch.Tensor | float) -> torch.Tensor:
    """Each sample of x (N, ...) brought to a Euclidean length, one number or (N,)."""
    return x * _per_sample(x, length / norms(x).clamp_min(_TINY))


def _per_sample(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *(1,) * (x.dim() - 1))
