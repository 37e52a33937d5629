"""The measurement of an epoch: features under every condition -> metrics -> rows."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from rnc import log, metrics
from rnc.attacks.loop import Logits
from rnc.attacks.perturbation import Perturbation, Perturbed, perturbation
from rnc.conditions import CLEAN, Condition, without_gradient_message
from rnc.datasets import ImageSet
from rnc.features import (
    FeatureSet,
    ImageBatch,
    batch_size,
    feature_batches,
    gather,
    image_batches,
    positions,
    stage_batches,
)
from rnc.models import FeatureClassifier
from rnc.models.fast_cpu.folding import CHECKED_IMAGES, folded_copy
from rnc.models.modes import model_mode
from rnc.probe.distributed import Ranks
from rnc.probe.metric_rows import Spot, add_against_clean, add_classifier, add_layers, add_means, add_own, add_sample
from rnc.store.rows import Rows
from rnc.vocabulary import ConditionKind, Metric, Role, Split

_ATTACK_SEED = 0  # the same random starts in every epoch and run, so curves differ only by the network
_LAYERWISE = (Role.CLEAN, Role.PERTURBED)


@dataclass(frozen=True)
class MeasuredSet:
    """The measured images of a split, their sample indices `names` (N,) in the data set, and the positions kept as vectors."""

    images: ImageSet
    names: torch.Tensor
    kept: torch.Tensor

    @classmethod
    def choose(cls, images: ImageSet, names: torch.Tensor, sample_size: int, num_classes: int) -> "MeasuredSet":
        """Choose `sample_size` vectors to keep: the same in every epoch and condition, balanced over the classes."""
        return cls(images, names, images.balanced_indices(sample_size, num_classes))


@dataclass(frozen=True)
class TrainedImages:
    """The perturbed images (n, c, h, w) of an epoch in this process, and their positions (n,) in the measured set."""

    images: torch.Tensor
    positions: torch.Tensor


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


@dataclass
class _Centres:
    """The clean means with which the other conditions are compared."""

    clean: Spot | None = None
    """The clean spot of the current split."""
    train_clean: metrics.ClassMeans | None = None
    layers: dict[str, metrics.ClassMeans] = field(default_factory=dict)
    """The means of every stage, on clean training images."""


class Probe:
    """The measurement of a network on fixed sets; the first set is the training set."""

    def __init__(
        self,
        run_id: str,
        sets: dict[Split, MeasuredSet],
        foreign: ImageSet,
        num_classes: int,
        ranks: Ranks = Ranks(),  # noqa: B008  (frozen)
    ) -> None:
        """Store the sets, and the out-of-distribution images `foreign` for NC5."""
        self._run_id, self._sets, self._num_classes, self._ranks = run_id, sets, num_classes, ranks
        self._foreign = foreign

    def measure(self, model: FeatureClassifier, plan: Plan, beat: Callable[[], None] = lambda: None) -> Measured:
        """Measure every condition on every split, in eval mode; `beat` is called between conditions."""
        measured, centres = Measured(), _Centres()
        with model_mode(model, training=False), torch.no_grad():
            foreign_mean, logits_fn = self._foreign_mean(model), self._attackable(model)
            for split in self._sets:
                attacked: dict[Condition, FeatureSet] = {}
                centres.clean = None
                for role, condition in plan.conditions + plan.swept:
                    if condition.kind is ConditionKind.AS_TRAINED and (split is Split.TEST or plan.trained is None):
                        continue
                    layered = plan.layerwise and role in _LAYERWISE
                    found, batches = self._look(model, logits_fn, plan, split, condition, attacked, layered)
                    spot = self._spot(plan, split, condition, found, measured.rows)
                    self._measure_spot(spot, model, foreign_mean, centres, measured)
                    if layered:
                        add_layers(spot, partial(_stages, model, batches), centres.layers, self._ranks.sum)
                    if plan.keep_vectors and (role, condition) in plan.conditions:
                        self._keep(spot, measured)
                    beat()
        if plan.keep_vectors:
            add_classifier(self._run_id, plan.epoch, model, measured.rows)
        return measured

    def _measure_spot(
        self, spot: Spot, model: FeatureClassifier, foreign_mean: torch.Tensor, centres: "_Centres", measured: Measured
    ) -> None:
        """Measure around the spot's own means, then against the clean means; the first spot of a split is the clean one."""
        values = add_own(spot, model)
        centres.clean, centres.train_clean = centres.clean or spot, centres.train_clean or spot.means
        if spot.condition == CLEAN:
            spot.add({Metric.NC5: metrics.nc5(spot.means, foreign_mean)}, spot.split, CLEAN)
        if (spot.split, spot.condition) == (Split.TRAIN, CLEAN):
            measured.train_accuracy = values[Metric.ACCURACY]
        add_against_clean(spot, centres.clean, centres.train_clean)

    def _look(
        self,
        model: FeatureClassifier,
        logits_fn: Logits,
        plan: Plan,
        split: Split,
        condition: Condition,
        attacked: dict[Condition, FeatureSet],
        layered: bool,
    ) -> tuple[FeatureSet, Callable[[], Iterable[ImageBatch]]]:
        """Return the features of a condition, and a function that yields its images batch by batch as often as needed."""
        part = self._sets[split]
        images = replace(condition, relabelled=False)
        if condition.relabelled and images in attacked:
            return attacked[images].relabelled(), list
        if condition.kind is ConditionKind.AS_TRAINED and plan.trained is not None:
            return self._look_at_trained(model, part, plan.trained), list
        # A process without a batch takes an empty one, because it must take part in the sums over the processes.
        size = batch_size(part.images.images.shape[1:])
        parts = self._ranks.share(positions(len(part.images), size)) or [torch.empty(0, dtype=torch.int64)]
        made_by = _Counting(perturbation(images, logits_fn, self._num_classes, _ATTACK_SEED), part.names.device)

        def batches() -> Iterable[ImageBatch]:
            return image_batches(part.images, made_by, part.names, parts)

        if layered and condition != CLEAN:  # the stages need two passes, but the attack runs once
            made = list(batches())
            again: Callable[[], Iterable[ImageBatch]] = lambda: made  # noqa: E731
        else:
            again = batches
        found = self._gather(list(feature_batches(model, again())))
        if images.is_attack:
            self._tell_unmoved(plan.epoch, split, images, int(self._ranks.sum(made_by.without_gradient)))
        attacked[images] = found
        return found.relabelled() if condition.relabelled else found, again

    def _tell_unmoved(self, epoch: int, split: Split, condition: Condition, count: int) -> None:
        """Warn if an attack had no gradient for some images: the remaining accuracy is then no evidence of robustness."""
        told = without_gradient_message(condition, count, len(self._sets[split].images))
        if told is not None and self._ranks.first:
            where = {"run": self._run_id, "epoch": epoch, "split": str(split), "condition": condition.slug}
            log.event("attack without gradients", logging.WARNING, text=told, **where)
            tqdm.write(f"{self._run_id}, epoch {epoch}, {split}: {told}")

    def _look_at_trained(self, model: FeatureClassifier, part: MeasuredSet, trained: TrainedImages) -> FeatureSet:
        """Return the features of the images on which all processes trained, in the order of the measured set."""
        labels = part.images.labels[trained.positions]
        columns = (trained.images, labels, trained.positions.cpu())
        size = batch_size(part.images.images.shape[1:])
        batches = [list(column.split(size)) for column in columns]
        found = feature_batches(
            model, (ImageBatch(images, true, true) for images, true in zip(*batches[:2], strict=True))
        )
        joined = self._gather(list(found))
        order = torch.cat(self._ranks.gather(batches[2])).argsort().to(joined.labels.device)
        return FeatureSet(joined.features[order], joined.logits[order], joined.labels[order], joined.true[order])

    def _gather(self, found: list[FeatureSet]) -> FeatureSet:
        if self._ranks.count == 1:
            return gather(found)
        device = self._sets[Split.TRAIN].images.labels.device
        return gather(part.to(device) for part in self._ranks.gather([part.to("cpu") for part in found]))

    def _attackable(self, model: FeatureClassifier) -> Logits:
        """Return the logits function for attacks: a faster folded copy of the network if possible, else the network."""
        some = torch.arange(min(CHECKED_IMAGES, len(self._foreign)), device=self._foreign.labels.device)
        return folded_copy(model, self._foreign.pixels(some)) or model

    def _foreign_mean(self, model: FeatureClassifier) -> torch.Tensor:
        unchanged = perturbation(CLEAN, model, self._num_classes, _ATTACK_SEED)
        return gather(feature_batches(model, image_batches(self._foreign, unchanged))).features.double().mean(0)

    def _spot(self, plan: Plan, split: Split, condition: Condition, found: FeatureSet, rows: Rows) -> Spot:
        means = metrics.class_means([(found.features, found.labels)], self._num_classes)
        return Spot(self._run_id, plan.epoch, split, condition, found, means, rows)

    def _keep(self, spot: Spot, measured: Measured) -> None:
        """Keep the means, and the sampled features unless another condition has the same ones."""
        add_means(spot)
        if spot.condition.relabelled:
            return
        part, found = self._sets[spot.split], spot.found
        features = found.features[part.kept].cpu().numpy().astype(np.float32)
        sample = Sample(part.names[part.kept].cpu().numpy(), found.true[part.kept].cpu().numpy(), features)
        add_sample(spot, sample.indices, sample.labels, found.predicted[part.kept].cpu().numpy(), features)
        measured.samples[spot.split, spot.condition] = sample


class _Counting:
    """A perturbation that counts the images for which its attack has no gradient."""

    def __init__(self, perturb: Perturbation, device: torch.device) -> None:
        self._perturb = perturb
        self.without_gradient = torch.zeros((), dtype=torch.int64, device=device)

    def __call__(self, images: torch.Tensor, labels: torch.Tensor, indices: torch.Tensor) -> Perturbed:
        made = self._perturb(images, labels, indices)
        if made.without_gradient is not None:
            self.without_gradient += made.without_gradient.sum()
        return made


def _stages(model: FeatureClassifier, batches: Callable[[], Iterable[ImageBatch]]) -> Iterator:
    """Yield the stages of all batches in one pass."""
    return stage_batches(model, batches())
