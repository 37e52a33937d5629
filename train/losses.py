"""One training step's loss for each objective, and the one list of their BatchNorm modes (paper, sections 1 and 5)."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from rnc.attacks import L2Ball, LinfBall, SampleNoise, ball_of, kl_from, pgd
from rnc.models import FeatureClassifier
from rnc.models.modes import model_mode
from rnc.vocabulary import Objective
from train.config import RunConfig

_TRADES_START_SD = 0.001  # TRADES starts its attack at 0.001 N(0, 1); paper, section 2


@dataclass(frozen=True)
class BatchNormModes:
    """Which passes of a step see BatchNorm in train mode, so that they use batch statistics and move the running ones."""

    attack: bool
    loss: bool
    clean_passes: int = 0
    """Train-mode passes that bring no gradient: the released AT code makes one after the attack and one on clean images."""


MODES = {
    Objective.ST: BatchNormModes(attack=False, loss=True),
    Objective.AT: BatchNormModes(attack=True, loss=True, clean_passes=1),
    Objective.AT_EVAL_ATTACK: BatchNormModes(attack=False, loss=True),
    Objective.TRADES: BatchNormModes(attack=False, loss=True),
    Objective.TRADES_RELEASED: BatchNormModes(attack=False, loss=False),
}


def training_loss(
    model: FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, config: RunConfig, noise: SampleNoise
) -> torch.Tensor:
    """The mean loss of a batch, images (N, c, h, w) in [0, 1] and labels (N,), ready for backward."""
    modes = MODES[config.objective]
    if config.objective is Objective.ST:
        with model_mode(model, training=modes.loss):
            return functional.cross_entropy(model(images), labels)
    if config.objective in (Objective.TRADES, Objective.TRADES_RELEASED):
        return _trades_loss(model, images, labels, config, noise)
    return _adversarial_loss(model, images, labels, config, noise)


def _adversarial_loss(
    model: FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, config: RunConfig, noise: SampleNoise
) -> torch.Tensor:
    """Cross entropy on PGD images (Madry et al. 2018)."""
    modes = MODES[config.objective]
    with model_mode(model, training=modes.attack):
        perturbed = pgd(model, images, labels, _ball(config), config.steps, config.attack_step_size, generator=noise)
    with model_mode(model, training=modes.loss):
        if modes.clean_passes:
            _pass_without_gradient(model, perturbed)
        loss = functional.cross_entropy(model(perturbed), labels)
        if modes.clean_passes:
            _pass_without_gradient(model, images)
    return loss


def _trades_loss(
    model: FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, config: RunConfig, noise: SampleNoise
) -> torch.Tensor:
    """Cross entropy plus beta KL(clean || perturbed); the gradient flows through both (Zhang et al. 2019)."""
    modes = MODES[config.objective]
    with model_mode(model, training=modes.attack):
        with torch.no_grad():
            reference = kl_from(model(images))
        start = images + _TRADES_START_SD * noise.normal(images.shape, images)
        perturbed = pgd(
            model,
            images,
            labels,
            _ball(config),
            config.steps,
            config.attack_step_size,
            objective=reference,
            start=start,
        )
    with model_mode(model, training=modes.loss):
        clean_logits = model(images)
        perturbed_log = model(perturbed).log_softmax(1)
    divergence = functional.kl_div(perturbed_log, clean_logits.softmax(1), reduction="batchmean")
    return functional.cross_entropy(clean_logits, labels) + config.trades_beta * divergence


def _ball(config: RunConfig) -> LinfBall | L2Ball:
    return ball_of(config.norm, config.epsilon)


@torch.no_grad()
def _pass_without_gradient(model: FeatureClassifier, images: torch.Tensor) -> None:
    model(images)
