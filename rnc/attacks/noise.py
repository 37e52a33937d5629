"""Noise of the size of an attack: the non-adversarial baselines of the paper (section 3)."""

import torch

from rnc.attacks.norm_balls import L2Ball, LinfBall, check_ball_not_too_large
from rnc.attacks.randomness import SampleNoise, as_noise


def gaussian_noise(
    images: torch.Tensor, ball: LinfBall | L2Ball, generator: torch.Generator | SampleNoise | None = None
) -> torch.Tensor:
    """Add Gaussian noise and clip to [0, 1]: sd epsilon per pixel (l_inf), or scaled to norm epsilon (l_2).

    As in the paper, the l_inf variant is matched in size only: single pixels may leave the l_inf ball.
    """
    check_ball_not_too_large(ball, images)
    normal = as_noise(generator).normal(images.shape, images)
    return (images + ball.scaled(normal)).clamp(0.0, 1.0)


def sign_noise(
    images: torch.Tensor, ball: LinfBall | L2Ball, generator: torch.Generator | SampleNoise | None = None
) -> torch.Tensor:
    """Add random signs times epsilon (l_inf), or random signs scaled to norm epsilon (l_2), and clip to [0, 1]."""
    check_ball_not_too_large(ball, images)
    uniform = as_noise(generator).uniform(images.shape, images)
    signs = torch.where(uniform < 0.5, -1.0, 1.0).to(images.dtype)
    return (images + ball.scaled(signs)).clamp(0.0, 1.0)
