"""The norm balls that bound a perturbation, each with its random start, ascent step and projection (Madry et al. 2018)."""

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
        """Return the radius."""

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return a random delta inside the ball."""

    def starting_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the images at which an attack takes its first gradient."""

    def ascent_step(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """Return the step of length `step_size` (in this norm) along the gradient."""

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Return the nearest point of the ball."""

    def confined_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the images clean + delta, confined to the ball around `clean` and to [0, 1]."""


class _ClippedBall:
    """A ball that projects first and clips second: clipping moves towards the clean image, so the result stays in the ball."""

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def confined_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the images clean + delta, projected onto the ball and then clipped to [0, 1]."""
        return (clean + self.project(delta)).clamp(0.0, 1.0)

    def starting_images(self, clean: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
        """Return the images clean + delta, confined to the ball and to [0, 1], because attacks begin at valid images."""
        return self.confined_images(clean, delta)


def _check_epsilon(norm: Norm, epsilon: float) -> None:
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be a finite number > 0, got {epsilon}")
    check_epsilon(norm, epsilon)


@dataclass(frozen=True)
class LinfBall(_ClippedBall):
    """A ball in which every pixel changes by at most epsilon. Raises ValueError unless 0 < epsilon <= 1."""

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball, and an epsilon meant for pixels from 0 to 255."""
        _check_epsilon(Norm.LINF, self.epsilon)

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return deltas that are uniform in the cube."""
        return (2 * noise.uniform(like.shape, like) - 1) * self.epsilon

    def scaled(self, noise: torch.Tensor) -> torch.Tensor:
        """Return noise of unit size per pixel with the size epsilon per pixel; Gaussian noise may leave the ball."""
        return self.epsilon * noise

    def ascent_step(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """Return the sign step."""
        return step_size * gradient.sign()

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Clip the change of each pixel."""
        return delta.clamp(-self.epsilon, self.epsilon)


@dataclass(frozen=True)
class L2Ball(_ClippedBall):
    """A ball in which an image's change has Euclidean norm at most epsilon.

    Raises ValueError unless epsilon > 0, and for an epsilon larger than any image allows. Attacks also reject an
    epsilon that is larger than the size of their images allows.
    """

    epsilon: float

    def __post_init__(self) -> None:
        """Reject an empty ball, and an epsilon meant for pixels from 0 to 255."""
        _check_epsilon(Norm.L2, self.epsilon)

    def random_start(self, like: torch.Tensor, noise: Noise) -> torch.Tensor:
        """Return a random Gaussian direction times a uniform fraction of epsilon."""
        fraction = noise.uniform(torch.Size((len(like),)), like)
        return scale_to(noise.normal(like.shape, like), fraction * self.epsilon)

    def scaled(self, noise: torch.Tensor) -> torch.Tensor:
        """Return noise with norm epsilon."""
        return scale_to(noise, self.epsilon)

    def ascent_step(self, gradient: torch.Tensor, step_size: float) -> torch.Tensor:
        """Return the step along the normalised gradient: of full length however small the gradient is, and 0 if it is exactly 0.

        The paper divides by the norm + 1e-10. That stops the attack on a network with very confident decisions: its
        gradients are far smaller than 1e-10, and their squares are 0 in float32. For other gradients, the two rules
        agree.
        """
        return scale_to(gradient, step_size)

    def project(self, delta: torch.Tensor) -> torch.Tensor:
        """Shorten each delta that is longer than epsilon to epsilon, and leave the others unchanged."""
        unit, largest = _divided_by_largest(delta)
        lengths = _norms_of_divided(unit)
        outside = largest.double() * lengths > self.epsilon
        shortened = unit * _per_sample(unit, (self.epsilon / lengths).to(unit.dtype))
        return torch.where(_per_sample(delta, outside), shortened, delta)


def ball_of(norm: Norm, epsilon: float) -> LinfBall | L2Ball:
    """Return the ball of the given norm and radius."""
    return LinfBall(epsilon) if Norm(norm) is Norm.LINF else L2Ball(epsilon)


def check_ball_not_too_large(ball: Ball, images: torch.Tensor) -> None:
    """Raise ValueError if a ball is larger than the largest possible change of images (N, c, h, w) in [0, 1]."""
    if isinstance(ball, L2Ball):
        check_epsilon(Norm.L2, ball.epsilon, math.prod(images.shape[1:]))


def norms(x: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean norm (N,) of each sample of x (N, ...), even if the squares are too small or large for its dtype."""
    unit, largest = _divided_by_largest(x)
    return (largest * _norms_of_divided(unit)).to(x.dtype)


def scale_to(x: torch.Tensor, length: torch.Tensor | float) -> torch.Tensor:
    """Scale each sample of x (N, ...) to a Euclidean length, one number or (N,); a sample that is 0 stays 0."""
    unit, _largest = _divided_by_largest(x)
    return unit * _per_sample(unit, (length / _norms_of_divided(unit)).to(x.dtype))


def amplitudes(x: torch.Tensor) -> torch.Tensor:
    """Return the largest absolute entry (N,) of each sample of x (N, ...): 0 only if all entries are 0."""
    entries = tuple(range(1, x.dim()))
    return torch.maximum(x.amax(entries), -x.amin(entries))


def _divided_by_largest(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each sample divided by its largest absolute entry (0 if all are 0), and these entries (N,)."""
    largest = amplitudes(x)
    return x / _per_sample(x, torch.where(largest == 0, 1.0, largest)), largest


def _norms_of_divided(unit: torch.Tensor) -> torch.Tensor:
    """Return the norms (N,) in float64 of samples whose largest absolute entry is 1; the result is 1 also for a zero sample."""
    return torch.linalg.vector_norm(unit, dim=tuple(range(1, unit.dim())), dtype=torch.float64).clamp_min(1.0)


def _per_sample(x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *(1,) * (x.dim() - 1))
