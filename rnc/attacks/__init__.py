"""Perturbations of images: attacks within a norm ball, and noise of the same size. All arguments are functions and tensors.

>>> perturbed = pgd(model, images, labels, LinfBall(8 / 255), steps=10, step_size=2 / 255)   # doctest: +SKIP
"""

from rnc.attacks.apgd import apgd_steps
from rnc.attacks.loop import AttackStep
from rnc.attacks.noise import gaussian_noise, sign_noise
from rnc.attacks.norm_balls import Ball, L2Ball, LinfBall, ball_of
from rnc.attacks.objectives import cross_entropy, dlr, kl_from, margin, targeted_dlr_from
from rnc.attacks.perturbation import attack_steps, goal, perturbation, rounds
from rnc.attacks.pgd import pgd, pgd_steps
from rnc.attacks.randomness import SampleNoise
from rnc.attacks.trades import trades_attack

__all__ = [
    "AttackStep",
    "Ball",
    "L2Ball",
    "LinfBall",
    "SampleNoise",
    "apgd_steps",
    "attack_steps",
    "ball_of",
    "cross_entropy",
    "dlr",
    "gaussian_noise",
    "goal",
    "kl_from",
    "margin",
    "perturbation",
    "pgd",
    "pgd_steps",
    "rounds",
    "sign_noise",
    "targeted_dlr_from",
    "trades_attack",
]
