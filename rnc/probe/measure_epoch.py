"""The measurement of an epoch: features under every condition -> metrics -> rows."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from rnc import event_log, metrics
from rnc.attacks.from_condition import perturbation
from rnc.attacks.problem import Logits
from rnc.conditions import CLEAN, Condition, no_gradient_message
from rnc.datasets import ImageSet
from rnc.features import FeatureSet, ImageBatch, batch_size, feature_batches, gather, perturbed_batches, positions
from rnc.models import FeatureClassifier
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from rnc.models.modes import model_mode
from rnc.probe.attack_path import ROLES_WITH_PATH, AttackedNetwork, add_features_along_attack_path
from rnc.probe.condition_batches import ConditionBatches
from rnc.probe.measured_images import MeasuredSet, TrainedImages
from rnc.probe.metric_rows import (
    MeasuredCondition,
    add_against_clean,
    add_classifier,
    add_collapse_metrics,
    add_layers,
    add_means,
    add_sample,
)
from rnc.probe.torchrun_ranks import Ranks
from rnc.store.row_buffer import Rows
from rnc.vocabulary import ConditionKind, Metric, Role, Split

ATTACK_SEED = 0
"""The seed of all random starts, the same in every epoch and run, so that curves differ only by the network."""
_LAYERWISE = (Role.CLEAN, Role.PERTURBED)


@dataclass(frozen=True)
class Sample:
    """The kept features of one (split, condition): indices, labels (n,) and float32 features (n, d)."""

    indices: np.ndarray
    labels: np.ndarray
    features: np.ndarray


@dataclass
class Measured:
    """The results of a probe in one epoch."""

    rows: Rows = field(default_factory=Rows)
    samples: dict[tuple[Split, Condition], Sample] = field(default_factory=dict)
    train_accuracy: float = float("nan")


@dataclass(frozen=True)
class Plan:
    """The settings of the measurement in one epoch."""

    epoch: int
    conditions: list[tuple[Role, Condition]]
    """Conditions, the clean one first, because the others are compared with it."""
    keep_vectors: bool = True
    layerwise: bool = False
    swept: list[tuple[Role, Condition]] = field(default_factory=list)
    """Additional conditions whose vectors are not kept."""
    trained: TrainedImages | None = None
    """None leaves out the condition `as_trained`, for example at epoch 0, which has no training."""

    def conditions_in(self, split: Split) -> list[tuple[Role, Condition]]:
        """Return the conditions measured in a split; `as_trained` exists only where images were trained on."""
        was_trained_on = split is Split.TRAIN and self.trained is not None
        every = self.conditions + self.swept
        return [pair for pair in every if was_trained_on or pair[1].kind is not ConditionKind.AS_TRAINED]


@dataclass
class _Epoch:
    """The network of an epoch, and its measurement so far."""

    model: FeatureClassifier
    plan: Plan
    ood_mean: torch.Tensor
    """The mean feature (d,) of the out-of-distribution images."""
    logits_fn: Logits
    """The function that attacks differentiate."""
    measured: Measured = field(default_factory=Measured)
    train_means: metrics.ClassMeans | None = None
    """The means of the clean training images, with which other conditions are compared."""
    layer_means: dict[str, metrics.ClassMeans] = field(default_factory=dict)
    """The same means of every stage."""


class Probe:
    """The measurement of a network on fixed sets; the first set is the training set."""

    def __init__(
        self,
        run_id: str,
        sets: dict[Split, MeasuredSet],
        ood_images: ImageSet,
        num_classes: int,
        ranks: Ranks = Ranks(),  # noqa: B008  (frozen)
    ) -> None:
        """Store the sets, and the out-of-distribution images for NC5."""
        self._run_id = run_id
        self._sets = sets
        self._ood_images = ood_images
        self._num_classes = num_classes
        self._ranks = ranks

    def measure(self, model: FeatureClassifier, plan: Plan, beat: Callable[[], None] = lambda: None) -> Measured:
        """Measure every condition on every split, in eval mode; `beat` is called between conditions."""
        with model_mode(model, training=False), torch.no_grad():
            epoch = _Epoch(model, plan, self._ood_mean(model), self._attackable(model))
            for split in self._sets:
                self._measure_split(epoch, split, beat)
        if plan.keep_vectors:
            add_classifier(self._run_id, plan.epoch, model, epoch.measured.rows)
        return epoch.measured

    def _measure_split(self, epoch: _Epoch, split: Split, beat: Callable[[], None]) -> None:
        """Measure every condition on a split; a relabelled condition takes the features of its attack."""
        plan, part = epoch.plan, self._sets[split]
        features_of: dict[Condition, FeatureSet] = {}
        clean: MeasuredCondition | None = None
        for role, condition in plan.conditions_in(split):
            is_layered = plan.layerwise and role in _LAYERWISE
            perturbed_by = replace(condition, relabelled=False)
            batches: ConditionBatches | None = None
            if plan.trained is not None and condition.kind is ConditionKind.AS_TRAINED:
                features = self._features_as_trained(epoch.model, part, plan.trained)
            elif condition.relabelled and perturbed_by in features_of:
                features = features_of[perturbed_by]
            else:
                batches = self._batches(part, perturbed_by, epoch.logits_fn, keep=is_layered)
                features = features_of[perturbed_by] = self._gather(batches.features(epoch.model))
                self._warn_of_zero_gradients(plan.epoch, split, perturbed_by, batches)
            measured_condition = self._measured_condition(epoch, split, condition, features)
            clean = clean or measured_condition
            self._add_metrics(epoch, measured_condition, clean)
            if is_layered and batches is not None:
                add_layers(measured_condition, partial(batches.stages, epoch.model), epoch.layer_means, self._ranks.sum)
            if plan.keep_vectors and (role, condition) in plan.conditions:
                self._keep(measured_condition, epoch.measured)
                self._keep_path(role, measured_condition, epoch)
            beat()

    def _batches(self, part: MeasuredSet, condition: Condition, logits_fn: Logits, *, keep: bool) -> ConditionBatches:
        """Return this process's share of the images under a condition; unperturbed images are never kept."""
        # A process without a batch takes an empty one, because it must take part in the sums over the processes.
        size = batch_size(part.images.images.shape[1:])
        share = self._ranks.parts_for_this_rank(positions(len(part.images), size)) or [
            torch.empty(0, dtype=torch.int64)
        ]
        perturb = perturbation(condition, logits_fn, self._num_classes, ATTACK_SEED)
        return ConditionBatches(part, perturb, share, keep=keep and condition != CLEAN)

    def _features_as_trained(self, model: FeatureClassifier, part: MeasuredSet, trained: TrainedImages) -> FeatureSet:
        """Return the features of the images on which all processes trained, in the order of the measured set."""
        size = batch_size(part.images.images.shape[1:])
        images = trained.images.split(size)
        labels = part.images.labels[trained.positions].split(size)
        order = list(trained.positions.cpu().split(size))
        batches = (ImageBatch(shown, true, true) for shown, true in zip(images, labels, strict=True))
        joined = self._gather(list(feature_batches(model, batches)))
        sorting = torch.cat(self._ranks.gather(order)).argsort().to(joined.labels.device)
        return FeatureSet(
            joined.features[sorting], joined.logits[sorting], joined.labels[sorting], joined.true[sorting]
        )

    def _gather(self, features: list[FeatureSet]) -> FeatureSet:
        """Join the features of all batches of all processes."""
        if self._ranks.count == 1:
            return gather(features)
        device = self._sets[Split.TRAIN].images.labels.device
        return gather(part.to(device) for part in self._ranks.gather([part.to("cpu") for part in features]))

    def _warn_of_zero_gradients(
        self, epoch: int, split: Split, condition: Condition, batches: ConditionBatches
    ) -> None:
        """Warn if an attack had no gradient for some images: the remaining accuracy is then no evidence of robustness."""
        if not condition.is_attack:
            return
        count = int(self._ranks.sum(batches.without_gradient))
        warning = no_gradient_message(condition, count, len(self._sets[split].images))
        if warning is not None and self._ranks.is_main:
            where = {"run": self._run_id, "epoch": epoch, "split": str(split), "condition": condition.slug}
            event_log.event("attack without gradients", logging.WARNING, text=warning, **where)
            tqdm.write(f"{self._run_id}, epoch {epoch}, {split}: {warning}")

    def _measured_condition(
        self, epoch: _Epoch, split: Split, condition: Condition, features: FeatureSet
    ) -> MeasuredCondition:
        if condition.relabelled:
            features = features.relabelled()
        means = metrics.class_means([(features.features, features.labels)], self._num_classes)
        return MeasuredCondition(self._run_id, epoch.plan.epoch, split, condition, features, means, epoch.measured.rows)

    def _add_metrics(self, epoch: _Epoch, measured_condition: MeasuredCondition, clean: MeasuredCondition) -> None:
        """Measure around the condition's own means, then against the clean means of its split and of the training set."""
        values = add_collapse_metrics(measured_condition, epoch.model)
        epoch.train_means = epoch.train_means or measured_condition.means
        if measured_condition.condition == CLEAN:
            measured_condition.add(
                {Metric.NC5: metrics.nc5(measured_condition.means, epoch.ood_mean)}, measured_condition.split, CLEAN
            )
        if (measured_condition.split, measured_condition.condition) == (Split.TRAIN, CLEAN):
            epoch.measured.train_accuracy = values[Metric.ACCURACY]
        add_against_clean(measured_condition, clean, epoch.train_means)

    def _keep(self, measured_condition: MeasuredCondition, measured: Measured) -> None:
        """Keep the means, and the sampled features unless another condition has the same ones."""
        add_means(measured_condition)
        if measured_condition.condition.relabelled:
            return
        part, features = self._sets[measured_condition.split], measured_condition.features
        sample = Sample(
            indices=part.sample_indices[part.stored_positions].cpu().numpy(),
            labels=features.true[part.stored_positions].cpu().numpy(),
            features=features.features[part.stored_positions].cpu().numpy().astype(np.float32),
        )
        predicted = features.predicted[part.stored_positions].cpu().numpy()
        add_sample(measured_condition, sample.indices, sample.labels, predicted, sample.features)
        measured.samples[measured_condition.split, measured_condition.condition] = sample

    def _keep_path(self, role: Role, measured_condition: MeasuredCondition, epoch: _Epoch) -> None:
        """Keep the sampled features along the run's own attacks. Only the process that writes attacks the few images again."""
        if role in ROLES_WITH_PATH and self._ranks.is_main:
            network = AttackedNetwork(epoch.model, epoch.logits_fn, ATTACK_SEED)
            add_features_along_attack_path(measured_condition, self._sets[measured_condition.split], network)

    def _attackable(self, model: FeatureClassifier) -> Logits:
        """Return the logits function for attacks: a faster folded copy of the network if possible, else the network."""
        few = torch.arange(min(CHECKED_IMAGES, len(self._ood_images)), device=self._ood_images.labels.device)
        return folded_copy(model, self._ood_images.pixels(few)) or model

    def _ood_mean(self, model: FeatureClassifier) -> torch.Tensor:
        unchanged = perturbation(CLEAN, model, self._num_classes, ATTACK_SEED)
        return gather(feature_batches(model, perturbed_batches(self._ood_images, unchanged))).features.double().mean(0)
