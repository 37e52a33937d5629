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


class Probe:
    """Measures a network on fixed sets under fixed conditions."""

    def __init__(
        self, run_id: str, sets: dict[Split, ImageSet], conditions: list[Condition], sample_size: int, num_classes: int
    ) -> None:
        """Choose the samples to keep: the same ones in every epoch and condition, balanced over the classes."""
        self._run_id, self._sets, self._conditions, self._num_classes = run_id, sets, conditions, num_classes
        self._kept = {split: balanced_sample(part.labels.cpu(), sample_size, num_classes) for split, part in sets.items()}

    def measure(
        self, model: FeatureClassifier, epoch: int, *, keep_vectors: bool, beat: Callable[[], None] = lambda: None
    ) -> Measured:
        """Measure every condition on every split, in eval mode; `beat` is called between conditions."""
        measured = Measured()
        with model_mode(model, training=False):
            if keep_vectors:
                self._add_classifier(model, epoch, measured.rows)
            anchors: dict[Split, metrics.ClassMeans] = {}
            for split, part in self._sets.items():
                for condition in self._conditions:
                    found = self._features(model, part, condition)
                    self._add(measured, model, epoch, split, condition, found, anchors, keep_vectors)
                    beat()
        return measured

    def _features(self, model: FeatureClassifier, part: ImageSet, condition: Condition) -> FeatureSet:
        perturb = perturbation(condition, model, self._num_classes, _ATTACK_SEED)
        return gather(feature_batches(model, part.images, part.labels, perturb))

    def _add(
        self,
        measured: Measured,
        model: FeatureClassifier,
        epoch: int,
        split: Split,
        condition: Condition,
        found: FeatureSet,
        anchors: dict[Split, metrics.ClassMeans],
        keep_vectors: bool,
    ) -> None:
        """Rows of one (split, condition). `anchors` collects the clean means of each split: clean comes first."""
        key = {"run_id": self._run_id, "epoch": epoch, "split": split, "condition": condition.slug}
        means = metrics.class_means([(found.features, found.labels)], self._num_classes)
        scatter = metrics.scatter_around([(found.features, found.labels)], means)
        values = metrics.collapse(means, scatter, model.weight)
        values |= metrics.classifier_metrics(found.features, found.labels, found.logits, means)
        if condition == CLEAN:
            anchors[split] = means
            if split is Split.TRAIN:
                measured.train_accuracy = values[Metric.ACCURACY]
        rows = measured.rows
        _add_metrics(rows, key, split, condition, values)
        per_class = {ClassMetric.COUNT: means.counts, ClassMetric.NORM: means.centred.norm(dim=1)}
        _add_class_metrics(rows, key, split, condition, per_class | {ClassMetric.VARIANCE: scatter.per_class})
        self._add_cross(rows, key, split, condition, found, means, anchors)
        if keep_vectors:
            self._add_vectors(measured, key, split, condition, found, means)

    def _add_cross(
        self,
        rows: Rows,
        key: dict,
        split: Split,
        condition: Condition,
        found: FeatureSet,
        means: metrics.ClassMeans,
        anchors: dict[Split, metrics.ClassMeans],
    ) -> None:
        """What is measured against clean means: nearest centre (of train), alignment and leaps (of the same split)."""
        if (split, condition) != (Split.TRAIN, CLEAN):
            correct = metrics.nearest_centre(found.features, anchors[Split.TRAIN]) == found.labels
            _add_metrics(rows, key, Split.TRAIN, CLEAN, {Metric.NCC_ACCURACY: float(correct.double().mean())})
        if condition == CLEAN:
            return
        alignment = metrics.align(anchors[split], means)
        _add_metrics(rows, key, split, CLEAN, alignment.summary())
        names = (ClassMetric.ANGLE, ClassMetric.ANGLE_UNCENTRED, ClassMetric.DISTANCE, ClassMetric.DISTANCE_UNCENTRED)
        _add_class_metrics(rows, key, split, CLEAN, {name: getattr(alignment, name) for name in names})
        if condition.kind is ConditionKind.PGD:
            _add_leaps(rows, key, metrics.leaps(found.features, found.true, found.predicted, anchors[split]))

    def _add_vectors(
        self,
        measured: Measured,
        key: dict,
        split: Split,
        condition: Condition,
        found: FeatureSet,
        means: metrics.ClassMeans,
    ) -> None:
        present = means.present.cpu()
        vectors = means.means[means.present].cpu().numpy()
        measured.rows.add("class_mean", **key, layer=FEATURES_LAYER, **{"class": present.numpy()}, vector=vectors)
        kept = self._kept[split]
        features = found.features[kept].cpu().numpy()
        measured.rows.add(
            "feature",
            **key,
            sample=kept.numpy(),
            label=found.true[kept].cpu().numpy(),
            predicted=found.predicted[kept].cpu().numpy(),
            vector=features,
        )
        measured.samples[split, condition] = Sample(kept.numpy(), found.true[kept].cpu().numpy(), features)

    def _add_classifier(self, model: FeatureClassifier, epoch: int, rows: Rows) -> None:
        weight, bias = model.weight.detach().cpu().numpy(), model.bias.detach().cpu().numpy().astype(np.float64)
        classes = {"class": range(len(bias))}
        rows.add("classifier", run_id=self._run_id, epoch=epoch, **classes, vector=weight, bias=bias)


def balanced_sample(labels: torch.Tensor, size: int, num_classes: int) -> torch.Tensor:
    """The indices of at most `size` samples, the first of each class, as many of one class as of another."""
    per_class = max(size // num_classes, 1)
    first = [(labels == c).nonzero().squeeze(1)[:per_class] for c in range(num_classes)]
    return torch.cat(first).sort().values


def _add_metrics(rows: Rows, key: dict, split: Split, condition: Condition, values: dict[Metric, float]) -> None:
    """`split` and `condition` say whose means were used."""
    names, numbers = list(values), list(values.values())
    means = {"means_split": split, "means_condition": condition.slug}
    rows.add("metric", **key, **means, layer=FEATURES_LAYER, metric=names, value=numbers)


def _add_class_metrics(
    rows: Rows, key: dict, split: Split, condition: Condition, values: dict[ClassMetric, torch.Tensor]
) -> None:
    means = {"means_split": split, "means_condition": condition.slug}
    for name, numbers in values.items():
        column = numbers.cpu().double().numpy()
        classes = {"class": range(len(column))}
        rows.add("class_metric", **key, **means, layer=FEATURES_LAYER, **classes, metric=name, value=column)


def _add_leaps(rows: Rows, key: dict, found: metrics.Leaps) -> None:
    true, predicted = (index.numpy() for index in found.counts.cpu().nonzero(as_tuple=True))
    counts, angles = found.counts.cpu().numpy(), found.angles.cpu().numpy()
    rows.add(
        "leap",
        **key,
        true_class=true,
        predicted_class=predicted,
        count=counts[true, predicted],
        angle=angles[true, predicted],
    )
