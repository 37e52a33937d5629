"""From a condition to the function that makes its images: the one place that reads a condition as an attack."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rnc.attacks.noise import gaussian_noise, sign_noise
from rnc.attacks.norm_balls import ball_of
from rnc.attacks.pgd import Logits, pgd
from rnc.attacks.randomness import SampleNoise
from rnc.conditions import Condition
from rnc.vocabulary import ConditionKind, LabelRule, TargetRule


@dataclass(frozen=True)
class Perturbed:
    """Images (N, c, h, w) of a condition and the labels (N,) by which it measures them."""

    images: torch.Tensor
    labels: torch.Tensor


Perturbation = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Perturbed]
"""(clean images, true labels, sample indices in the data set) -> Perturbed."""


def next_class(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """The paper's target, (y + 1) mod C."""
    return (labels + 1) % num_classes


def perturbation(condition: Condition, logits_fn: Logits, num_classes: int, seed: int) -> Perturbation:
    """The perturbation of a condition against a network; its random numbers depend on (seed, sample index) alone.

    Raises ValueError for `as_trained`, whose images only the training knows.
    """
    if condition.kind is ConditionKind.AS_TRAINED:
        raise ValueError("the images that an epoch trained on cannot be made again; choose an attack, such as pgd")

    def perturb(images: torch.Tensor, labels: torch.Tensor, indices: torch.Tensor) -> Perturbed:
        if condition.kind is ConditionKind.CLEAN:
            return Perturbed(images, labels)
        assert condition.norm is not None and condition.epsilon is not None
        ball, noise = ball_of(condition.norm, condition.epsilon), SampleNoise(seed, indices)
        if condition.kind is ConditionKind.GAUSSIAN:
            return Perturbed(gaussian_noise(images, ball, noise), labels)
        if condition.kind is ConditionKind.SIGN_NOISE:
            return Perturbed(sign_noise(images, ball, noise), labels)
        assert condition.steps is not None and condition.step_size is not None
        targeted = condition.target_rule is not TargetRule.UNTARGETED
        goal = next_class(labels, num_classes) if targeted else labels
        images = pgd(
            logits_fn, images, goal, ball, condition.steps, condition.step_size, targeted=targeted, generator=noise
        )
        return Perturbed(images, goal if condition.label_rule is LabelRule.TARGET else labels)

    return perturb
