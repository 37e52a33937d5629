"""The images and the loss of a training step for each objective, and their BatchNorm modes (paper, 1 and 5)."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from rnc.attacks import PGD, SampleNoise, TRADESAttack, ball_of
from rnc.attacks.problem import Logits
from rnc.models import FeatureClassifier
from rnc.models.fast_cpu.folding import FoldedCopy
from rnc.models.modes import frozen_weights, model_mode
from rnc.vocabulary import Objective
from train.config import RunConfig


@dataclass(frozen=True)
class BatchNormModes:
    """The passes of a step that run BatchNorm in train mode: with batch statistics, and updating the running ones."""

    attack: bool
    loss: bool
    perturbed_again: bool = False
    """A pass without gradient on the perturbed images, before the loss, as in the released AT code."""
    clean_again: bool = False
    """A pass without gradient on the clean images, after the loss, as in the released AT code and that of TRADES' authors."""


MODES = {
    Objective.ST: BatchNormModes(attack=False, loss=True),
    Objective.AT: BatchNormModes(attack=True, loss=True, perturbed_again=True, clean_again=True),
    Objective.AT_EVAL_ATTACK: BatchNormModes(attack=False, loss=True),
    Objective.TRADES: BatchNormModes(attack=False, loss=True, clean_again=True),
    Objective.TRADES_RELEASED: BatchNormModes(attack=False, loss=False),
}
_KL = (Objective.TRADES, Objective.TRADES_RELEASED)


def training_images(
    model: FeatureClassifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    config: RunConfig,
    noise: SampleNoise,
    folded: FoldedCopy | None = None,
) -> torch.Tensor:
    """Return the images on which a step trains: those (N, c, h, w) in [0, 1] unchanged, or attacked as the objective requires.

    `folded` is a copy of the network for attacks in eval mode; its weights are updated first.
    """
    if config.objective is Objective.ST:
        return images
    training = MODES[config.objective].attack
    logits_fn: Logits = model if folded is None or training else folded.refresh()
    with model_mode(model, training=training), frozen_weights(model):
        return _attack(config).run(logits_fn, images, labels, noise)


def _attack(config: RunConfig) -> PGD | TRADESAttack:
    """Return the training attack of a run; its images come from a data set, whose pixels are in [0, 1]."""
    attack = config.attack
    if config.objective in _KL:
        return TRADESAttack(attack.norm, attack.epsilon, attack.steps, attack.step_size, check_pixels=False)
    return PGD(ball_of(attack.norm, attack.epsilon), attack.steps, attack.step_size, check_pixels=False)


class TrainingLoss(nn.Module):
    """Module (clean images, training images, labels) -> the mean loss of a batch, ready for backward.

    It is a module so that DistributedDataParallel can wrap it: one call per step, however many passes it makes inside.
    """

    def __init__(self, model: FeatureClassifier, config: RunConfig) -> None:
        """Store the network and the run's objective."""
        super().__init__()
        self.model, self._config = model, config

    def forward(self, images: torch.Tensor, trained: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss in nats; BatchNorm is updated as in `MODES`, and the network's mode is restored."""
        modes = MODES[self._config.objective]
        with model_mode(self.model, training=modes.loss):
            if modes.perturbed_again:
                _pass_without_gradient(self.model, trained)
            loss = self._loss(images, trained, labels)
            if modes.clean_again:
                _pass_without_gradient(self.model, images)
            return loss

    def _loss(self, images: torch.Tensor, trained: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self._config.objective not in _KL:
            return functional.cross_entropy(self.model(trained), labels)
        return self._trades_loss(images, trained, labels)

    def _trades_loss(self, images: torch.Tensor, trained: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return cross entropy plus beta KL(clean || perturbed); the gradient flows through both (Zhang et al. 2019).

        The authors' code computes the clean logits twice, once for each term. The two are equal, and so are their
        gradients; the only remaining effect of the second pass is its update of BatchNorm's running statistics
        (`clean_again`).
        """
        clean_logits = self.model(images)
        perturbed_log = self.model(trained).log_softmax(1)
        divergence = functional.kl_div(perturbed_log, clean_logits.softmax(1), reduction="batchmean")
        return functional.cross_entropy(clean_logits, labels) + self._config.trades_beta * divergence


def training_loss(
    model: FeatureClassifier, images: torch.Tensor, labels: torch.Tensor, config: RunConfig, noise: SampleNoise
) -> torch.Tensor:
    """Return the mean loss of a batch, images (N, c, h, w) in [0, 1] and labels (N,), ready for backward."""
    trained = training_images(model, images, labels, config, noise)
    return TrainingLoss(model, config)(images, trained, labels)


@torch.no_grad()
def _pass_without_gradient(model: FeatureClassifier, images: torch.Tensor) -> None:
    model(images)
