"""The step from a condition to the function that makes its images; only this module interprets a condition as an attack."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rnc.attacks.apgd import APGD
from rnc.attacks.fgsm import FGSM
from rnc.attacks.iterative import AttackStep, IterativeAttack
from rnc.attacks.losses import Loss, cross_entropy, dlr, kl_from, margin, targeted_dlr_from
from rnc.attacks.mi_fgsm import MIFGSM
from rnc.attacks.noise import gaussian_noise, sign_noise
from rnc.attacks.norm_balls import L2Ball, LinfBall, ball_of
from rnc.attacks.pgd import PGD
from rnc.attacks.problem import Logits
from rnc.attacks.randomness import SampleNoise
from rnc.conditions import Condition
from rnc.vocabulary import AttackObjective, ConditionKind, LabelRule, TargetRule


@dataclass(frozen=True)
class Perturbed:
    """Images (N, c, h, w) of a condition and the labels (N,) used to measure them."""

    images: torch.Tensor
    labels: torch.Tensor
    without_gradient: torch.Tensor | None = None
    """(N,) true for images that the attack could not move, see `AttackStep`; None for a perturbation without gradients."""


@dataclass(frozen=True)
class PreparedAttack:
    """A condition's attack on N images, ready to run."""

    attack_labels: torch.Tensor
    """(N,) labels that the attack moves away from or, if it is targeted, moves towards."""
    measured_by: torch.Tensor
    """(N,) labels used to measure the attacked images."""
    steps: Iterator[AttackStep]
    """Yields every point of the attack, its starts included, once; the caller may stop at any point and use `kept`."""


Perturbation = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Perturbed]
"""Function (clean images, true labels, sample indices in the data set) -> Perturbed."""


def next_class(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return the paper's target, (y + 1) mod C."""
    return (labels + 1) % num_classes


def perturbation(condition: Condition, logits_fn: Logits, num_classes: int, seed: int) -> Perturbation:
    """Return the perturbation of a condition against a network; its random numbers depend on (seed, sample index) alone.

    Raises ValueError for `as_trained`, whose images exist only during training, and for a condition that C classes do
    not allow.
    """
    check_condition(condition, num_classes)

    def perturb(images: torch.Tensor, labels: torch.Tensor, sample_indices: torch.Tensor) -> Perturbed:
        attack = _prepare(condition, logits_fn, images, labels, num_classes, SampleNoise(seed, sample_indices))
        (last,) = deque(attack.steps, maxlen=1)
        return Perturbed(last.kept, attack.measured_by, last.without_gradient)

    return perturb


def attack_steps(
    condition: Condition,
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    generator: torch.Generator | SampleNoise | None = None,
) -> Iterator[AttackStep]:
    """Yield every point of a condition's attack on images (N, c, h, w) with true labels (N,), its starts included.

    There are `condition.num_points_over_restarts` points; clean images and noise have one. The caller may stop at any point and
    use `kept`. Raises ValueError like `check_condition`, at the call and not at the first point.
    """
    return prepare(condition, logits_fn, images, labels, num_classes, generator).steps


def prepare(
    condition: Condition,
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    generator: torch.Generator | SampleNoise | None = None,
) -> PreparedAttack:
    """Return a condition's attack on images (N, c, h, w) with true labels (N,).

    Raises ValueError like `check_condition`, at the call and not at the first point.
    """
    check_condition(condition, num_classes, math.prod(images.shape[1:]))
    return _prepare(condition, logits_fn, images, labels, num_classes, generator)


@torch.no_grad()
def attack_labels(
    condition: Condition, logits_fn: Logits, images: torch.Tensor, labels: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """Return the labels (N,) that a condition's attack moves away from or, if it is targeted, moves towards.

    The most likely wrong class takes one forward pass over the clean images. A fixed target class applies to all
    samples, including those that belong to it.
    """
    if condition.target_rule is TargetRule.NEXT:
        return next_class(labels, num_classes)
    if condition.target_rule is TargetRule.CLASS:
        return torch.full_like(labels, condition.target_class or 0)
    if condition.target_rule is TargetRule.LIKELY:
        return logits_fn(images).scatter(1, labels[:, None], -torch.inf).argmax(1)
    return labels


def check_condition(condition: Condition, num_classes: int, numbers: int | None = None) -> None:
    """Raise ValueError, with a remedy, if a condition's images cannot be made at all, with C classes, or at this image size.

    `numbers` is c * h * w, or None if unknown.
    """
    condition.check_size(numbers)
    if condition.kind is ConditionKind.AS_TRAINED:
        raise ValueError("the images that an epoch trained on cannot be made again; choose an attack, such as pgd")
    least = 2 if condition.is_targeted or condition.objective is AttackObjective.MARGIN else 1
    if condition.objective is AttackObjective.DLR:
        least = 4 if condition.is_targeted else 3
    if num_classes < least:
        what = f"{'a targeted' if condition.is_targeted else 'an'} attack on {condition.objective}"
        raise ValueError(
            f"{what} needs at least {least} classes, there are {num_classes}; choose cross_entropy, untargeted"
        )
    if condition.target_class is not None and condition.target_class >= num_classes:
        raise ValueError(f"target class {condition.target_class} does not exist; choose 0 to {num_classes - 1}")


def _prepare(
    condition: Condition,
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    num_classes: int,
    generator: torch.Generator | SampleNoise | None,
) -> PreparedAttack:
    """Return the attack of a condition that was checked."""
    loss_labels = attack_labels(condition, logits_fn, images, labels, num_classes)
    measured_by = loss_labels if condition.label_rule is LabelRule.TARGET else labels
    steps = _iterates(condition, logits_fn, images, labels, loss_labels, generator)
    return PreparedAttack(loss_labels, measured_by, steps)


def _iterates(
    condition: Condition,
    logits_fn: Logits,
    images: torch.Tensor,
    labels: torch.Tensor,
    loss_labels: torch.Tensor,
    generator: torch.Generator | SampleNoise | None,
) -> Iterator[AttackStep]:
    if not condition.is_attack:
        made = _without_network(condition, images, generator)
        yield AttackStep(0, 0, made, made)
        return
    attack = _attack(condition, _loss(condition, logits_fn, images, labels))
    yield from attack.iterates(logits_fn, images, loss_labels, generator)


def _without_network(
    condition: Condition, images: torch.Tensor, generator: torch.Generator | SampleNoise | None
) -> torch.Tensor:
    """Return clean images, or images with noise."""
    if condition.kind is ConditionKind.CLEAN:
        return images
    add_noise = gaussian_noise if condition.kind is ConditionKind.GAUSSIAN else sign_noise
    return add_noise(images, _ball(condition), generator)


def _attack(condition: Condition, loss: Loss) -> IterativeAttack:
    """Return the attack of a condition on a loss."""
    ball, steps, step_size = _ball(condition), condition.steps, condition.step_size
    targeted, restarts, schedule = condition.is_targeted, condition.restarts, condition.schedule
    if condition.kind is ConditionKind.FGSM:
        return FGSM(ball, loss=loss, targeted=targeted)
    assert steps is not None
    if condition.kind is ConditionKind.APGD:
        return APGD(ball, steps, loss=loss, targeted=targeted, restarts=restarts)
    assert step_size is not None
    if condition.momentum == 0:
        return PGD(ball, steps, step_size, loss=loss, targeted=targeted, restarts=restarts, schedule=schedule)
    return MIFGSM(
        ball,
        steps,
        step_size,
        loss=loss,
        targeted=targeted,
        restarts=restarts,
        schedule=schedule,
        momentum=condition.momentum,
    )


def _ball(condition: Condition) -> LinfBall | L2Ball:
    assert condition.norm is not None and condition.epsilon is not None
    return ball_of(condition.norm, condition.epsilon)


def _loss(condition: Condition, logits_fn: Logits, images: torch.Tensor, labels: torch.Tensor) -> Loss:
    if condition.objective is AttackObjective.KL:
        with torch.no_grad():
            return kl_from(logits_fn(images))
    if condition.objective is AttackObjective.MARGIN:
        return margin
    if condition.objective is AttackObjective.DLR:
        return targeted_dlr_from(labels) if condition.is_targeted else dlr
    return cross_entropy
