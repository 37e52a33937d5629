"""After an epoch: features under every condition -> metrics -> rows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from rnc import metrics
from rnc.attacks.perturbation import perturbation
from rnc.datasets import ImageSet
from rnc.features import FeatureSet, feature_batches, gather
from rnc.models import FeatureClassifier
from rnc.models.modes import model_mode
from rnc.store.rows import Rows
from rnc.vocabulary import CLEAN, FEATURES_LAYER, ClassMetric, Condition, ConditionKind, Metric, Split

_ATTACK_SEED = 0  # measurements use the same random starts in every epoch and run, so that curves differ by the network


@dataclass(frozen=True)
class Sample:
    """The features that were kept of one (split, condition): indices, labels (n,) and float32 features (n, d)."""

    indices: np.ndarray
    labels: np.ndarray
    features: np.ndarray


@dataclass
class Measured:
    """What a probe found in one epoch."""

    rows: Rows = field(default_factory=Rows)
    samples: dict[tuple[Split, Condition], Sample] = field(default_factory=dict)
    train_accuracy: float = float("nan")


@dataclass(frozen=True)
class _Spot:
    """One (run, epoch, split, condition), its features and their means, and where its rows go."""

    run_id: str
    epoch: int
    split: Split
    condition: Condition
    found: FeatureSet
    means: metrics.ClassMeans
    rows: Rows

    @property
    def key(self) -> dict:
        """The columns that every row of the spot begins with."""
        return {"run_id": self.run_id, "epoch": self.epoch, "split": self.split, "condition": self.condition.slug}

    def add(self, values: dict[Metric, float], split: Split, condition: Condition) -> None:
        """Scalars measured around the means of (split, condition)."""
        around = {"means_split": split, "means_condition": condition.slug, "layer": FEATURES_LAYER}
        self.rows.add("metric", **self.key, **around, metric=list(values), value=list(values.values()))

    def add_per_class(self, values: dict[ClassMetric, torch.Tensor], split: Split, condition: Condition) -> None:
        """Scalars (C,) of each class, measured around the means of (split, condition)."""
        around = {"means_split": split, "means_condition": condition.slug, "layer": FEATURES_LAYER}
        for name, numbers in values.items():
            column = numbers.cpu().double().numpy()
            classes = {"class": range(len(column))}
            self.rows.add("class_metric", **self.key, **around, **classes, metric=name, value=column)


class Probe:
    """Measures a network on fixed sets under fixed conditions."""

    def __init__(
        self, run_id: str, sets: dict[Split, ImageSet], conditions: list[Condition], sample_size: int, num_classes: int
    ) -> None:
        """Choose the samples to keep: the same ones in every epoch and condition, balanced over the classes.

        The first set is the training set and the first condition the clean one: the others are measured against them.
        """
        self._run_id, self._sets, self._conditions, self._num_classes = run_id, sets, conditions, num_classes
        self._kept = {split: part.balanced_indices(sample_size, num_classes) for split, part in sets.items()}

    def measure(
        self, model: FeatureClassifier, epoch: int, *, keep_vectors: bool, beat: Callable[[], None] = lambda: None
    ) -> Measured:
        """Measure every condition on every split, in eval mode; `beat` is called between conditions."""
        measured = Measured()
        clean_means: dict[Split, metrics.ClassMeans] = {}
        with model_mode(model, training=False):
            for split in self._sets:
                for condition in self._conditions:
                    spot = self._look(model, epoch, split, condition, measured.rows)
                    clean_means.setdefault(split, spot.means)
                    accuracy = _add_own(spot, model)
                    if (split, condition) == (Split.TRAIN, CLEAN):
                        measured.train_accuracy = accuracy
                    _add_against_clean(spot, clean_means)
                    if keep_vectors:
                        measured.samples[split, condition] = self._add_vectors(spot)
                    beat()
        if keep_vectors:
            self._add_classifier(model, epoch, measured.rows)
        return measured

    def _look(self, model: FeatureClassifier, epoch: int, split: Split, condition: Condition, rows: Rows) -> _Spot:
        part = self._sets[split]
        perturb = perturbation(condition, model, self._num_classes, _ATTACK_SEED)
        found = gather(feature_batches(model, part.images, part.labels, perturb))
        means = metrics.class_means([(found.features, found.labels)], self._num_classes)
        return _Spot(self._run_id, epoch, split, condition, found, means, rows)

    def _add_vectors(self, spot: _Spot) -> Sample:
        present, kept, found = spot.means.present, self._kept[spot.split], spot.found
        vectors, classes = spot.means.means[present].cpu().numpy(), {"class": present.cpu().numpy()}
        spot.rows.add("class_mean", **spot.key, layer=FEATURES_LAYER, **classes, vector=vectors)
        sample = Sample(
            kept.cpu().numpy(), found.true[kept].cpu().numpy(), found.features[kept].cpu().numpy().astype(np.float32)
        )
        predicted = found.predicted[kept].cpu().numpy()
        spot.rows.add(
            "feature",
            **spot.key,
            sample=sample.indices,
            label=sample.labels,
            predicted=predicted,
            vector=sample.features,
        )
        return sample

    def _add_classifier(self, model: FeatureClassifier, epoch: int, rows: Rows) -> None:
        weight, bias = model.weight.detach().cpu().numpy(), model.bias.detach().cpu().numpy().astype(np.float64)
        classes = {"class": range(len(bias))}
        rows.add("classifier", run_id=self._run_id, epoch=epoch, **classes, vector=weight, bias=bias)


def _add_own(spot: _Spot, model: FeatureClassifier) -> float:
    """What is measured around the spot's own means; returns the accuracy."""
    found = spot.found
    scatter = metrics.scatter_around([(found.features, found.labels)], spot.means)
    values = metrics.collapse(spot.means, scatter, model.weight)
    values |= metrics.classifier_metrics(found.features, found.labels, found.logits, spot.means)
    spot.add(values, spot.split, spot.condition)
    per_class = {
        ClassMetric.COUNT: spot.means.counts,
        ClassMetric.NORM: spot.means.centred.norm(dim=1),
        ClassMetric.VARIANCE: scatter.per_class,
    }
    spot.add_per_class(per_class, spot.split, spot.condition)
    return values[Metric.ACCURACY]


def _add_against_clean(spot: _Spot, clean_means: dict[Split, metrics.ClassMeans]) -> None:
    """Nearest centre by the clean means of train; alignment with and leaps to the clean means of the same split."""
    if (spot.split, spot.condition) != (Split.TRAIN, CLEAN):
        nearest = metrics.nearest_centre(spot.found.features, clean_means[Split.TRAIN])
        correct = float((nearest == spot.found.labels).double().mean())
        spot.add({Metric.NCC_ACCURACY: correct}, Split.TRAIN, CLEAN)
    if spot.condition == CLEAN:
        return
    reference = clean_means[spot.split]
    alignment = metrics.align(reference, spot.means)
    spot.add(alignment.summary(), spot.split, CLEAN)
    names = (ClassMetric.ANGLE, ClassMetric.ANGLE_UNCENTRED, ClassMetric.DISTANCE, ClassMetric.DISTANCE_UNCENTRED)
    spot.add_per_class({name: getattr(alignment, name) for name in names}, spot.split, CLEAN)
    if spot.condition.kind is ConditionKind.PGD:
        found = metrics.leaps(spot.found.features, spot.found.true, spot.found.predicted, reference)
        true, predicted, counts, turned = found.clusters()
        spot.rows.add("leap", **spot.key, true_class=true, predicted_class=predicted, count=counts, angle=turned)
