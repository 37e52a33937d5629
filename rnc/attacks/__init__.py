"""Perturbations of images: PGD in a norm ball, and noise of the same size. They take functions and tensors only.

>>> perturbed = pgd(model, images, labels, LinfBall(8 / 255), steps=10, step_size=2 / 255)   # doctest: +SKIP
"""

from rnc.attacks.noise import gaussian_noise, sign_noise
from rnc.attacks.norm_balls import Ball, L2Ball, LinfBall, ball_of
from rnc.attacks.objectives import cross_entropy, kl_from
from rnc.attacks.pgd import PGDStep, pgd, pgd_steps
from rnc.attacks.randomness import SampleNoise
from rnc.attacks.trades import trades_attack

__all__ = [
    "Ball",
    "L2Ball",
    "LinfBall",
    "PGDStep",
    "SampleNoise",
    "ball_of",
    "cross_entropy",
    "gaussian_noise",
    "kl_from",
    "pgd",
    "pgd_steps",
    "sign_noise",
    "trades_attack",
]
