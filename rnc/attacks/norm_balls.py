"""The balls that bound a perturbation: each says how to start in it, step uphill and come back (Madry et al. 2018)."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from rnc.attacks.randomness import Noise
from rnc.conditions import check_epsilon
from rnc.vocabulary import Norm


class Ball(Protocol):
    """A set of perturbations delta (N, c, h, w) bounded by epsilon, in pixel units."""

    @property
    def epsilon(self) -> float:
        """The radius."""

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """A random delta inside the ball."""

    def begin(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The image at which an attack takes its first gradient."""

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

    def begin(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """The image at clean + delta, brought into the ball and into [0, 1]: attacks begin at images."""
        return self.confine(clean, delta)


def _check_epsilon(norm: Norm, epsilon: float) -> None:
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be a finite number > 0, got {epsilon}")
    check_epsilon(norm, epsilon)


@dataclass(frozen=True)
class LinfBall(_ClippedBall):
    """Every pixel changes by at most epsilon. Raises ValueError for an epsilon that is not > 0, or is more than 1."""

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball, and one that is meant for pixels of 0 to 255."""
        _check_epsilon(Norm.LINF, self.epsilon)

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
    """An image's change has Euclidean norm at most epsilon.

    Raises ValueError for an epsilon that is not > 0, or that no image has; attacks refuse one that theirs do not have.
    """

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball, and one that is meant for pixels of 0 to 255."""
        _check_epsilon(Norm.L2, self.epsilon)

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """A Gaussian direction times a uniform fraction of epsilon."""
        fraction = noise.uniform(torch.Size((len(like),)), like)
        return scale_to(noise.normal(like.shape, like), fraction * self.epsilon)

    def ascend(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """The step along the normalised gradient: of full length however small the gradient is, none where it is 0.

        The paper divides by the norm + 1e-10, which stops the attack on a network that is sure of its decisions: its
        gradients are far smaller than 1e-10, and their squares are 0 in float32. At other gradients the two agree.
        """
        return scale_to(gradient, step_size)

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Shorten what is longer than epsilon to epsilon, and leave the rest as it is."""
        unit, largest = _divided_by_largest(delta)
        lengths = _norms_of_divided(unit)
        outside = largest.double() * lengths > self.epsilon
        shortened = unit * _per_sample(unit, (self.epsilon / lengths).to(unit.dtype))
        return torch.where(_per_sample(delta, outside), shortened, delta)


def ball_of(norm: Norm, epsilon: float) -> LinfBall | L2Ball:
    """The ball of a norm."""
    return LinfBall(epsilon) if Norm(norm) is Norm.LINF else L2Ball(epsilon)


def check_fits(ball: Ball, images: torch.Tensor) -> None:
    """Raise ValueError where a ball is larger than what images (N, c, h, w) in [0, 1] can differ by."""
    if isinstance(ball, L2Ball):
        check_epsilon(Norm.L2, ball.epsilon, math.prod(images.shape[1:]))


def norms(x: torch.Tensor) -> torch.Tensor:
    """The Euclidean norm (N,) of each sample of x (N, ...), also where the squares are too small or large for its dtype."""
    unit, largest = _divided_by_largest(x)
    return (largest * _norms_of_divided(unit)).to(x.dtype)


def scale_to(x: torch.Tensor, length: torch.Tensor | float) -> torch.Tensor:
    """Each sample of x (N, ...) brought to a Euclidean length, one number or (N,); a sample that is 0 stays 0."""
    unit, _largest = _divided_by_largest(x)
    return unit * _per_sample(unit, (length / _norms_of_divided(unit)).to(x.dtype))


def amplitudes(x: torch.Tensor) -> torch.Tensor:
    """The largest absolute entry (N,) of each sample of x (N, ...): 0 only where all entries are."""
    entries = tuple(range(1, x.dim()))
    return torch.maximum(x.amax(entries), -x.amin(entries))


def _divided_by_largest(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each sample over its largest absolute entry (0 where all are 0), and these entries (N,)."""
    largest = amplitudes(x)
    return x / _per_sample(x, torch.where(largest == 0, 1.0, largest)), largest


def _norms_of_divided(unit: torch.Tensor) -> torch.Tensor:
    """The norms (N,) in float64 of samples whose largest absolute entry is 1; 1 also for a sample that is 0."""
    return torch.linalg.vector_norm(unit, dim=tuple(range(1, unit.dim())), dtype=torch.float64).clamp_min(1.0)


def _per_sample(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *(1,) * (x.dim() - 1))
