"""Perturbations of images: attacks within a norm ball, and noise of the same size. All arguments are functions and tensors.

>>> attack = PGD(LinfBall(8 / 255), steps=10, step_size=2 / 255)
>>> perturbed = attack.run(model, images, labels)   # doctest: +SKIP
"""

from rnc.attacks.apgd import APGD
from rnc.attacks.fgsm import FGSM
from rnc.attacks.from_condition import attack_labels, attack_steps, perturbation, prepare
from rnc.attacks.iterative import AttackStep, IterativeAttack
from rnc.attacks.losses import cross_entropy, dlr, kl_from, margin, targeted_dlr_from
from rnc.attacks.mi_fgsm import MIFGSM
from rnc.attacks.noise import gaussian_noise, sign_noise
from rnc.attacks.norm_balls import Ball, L2Ball, LinfBall, ball_of
from rnc.attacks.pgd import PGD
from rnc.attacks.randomness import SampleNoise
from rnc.attacks.trades import TRADESAttack

__all__ = [
    "APGD",
    "FGSM",
    "MIFGSM",
    "PGD",
    "AttackStep",
    "Ball",
    "IterativeAttack",
    "L2Ball",
    "LinfBall",
    "SampleNoise",
    "TRADESAttack",
    "attack_labels",
    "attack_steps",
    "ball_of",
    "cross_entropy",
    "dlr",
    "gaussian_noise",
    "kl_from",
    "margin",
    "perturbation",
    "prepare",
    "sign_noise",
    "targeted_dlr_from",
]
