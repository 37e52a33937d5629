"""The rows of a (run, epoch, split, condition), computed from its features.

Tested by tests/rnc/probe/test_measure_epoch.py.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rnc import metrics
from rnc.conditions import CLEAN, Condition
from rnc.features import FeatureSet
from rnc.models import FeatureClassifier
from rnc.store.row_buffer import Rows
from rnc.vocabulary import FEATURES_LAYER, ClassMetric, ConditionKind, Metric, Split

_ALIGNMENT = (ClassMetric.ANGLE, ClassMetric.ANGLE_UNCENTRED, ClassMetric.DISTANCE, ClassMetric.DISTANCE_UNCENTRED)


@dataclass(frozen=True)
class MeasuredCondition:
    """A (run, epoch, split, condition), with its features, their class means, and the destination of its rows."""

    run_id: str
    epoch: int
    split: Split
    condition: Condition
    features: FeatureSet
    means: metrics.ClassMeans
    rows: Rows

    @property
    def key(self) -> dict:
        """Return the columns that every row of this condition starts with."""
        return {"run_id": self.run_id, "epoch": self.epoch, "split": self.split, "condition": self.condition.slug}

    def add(self, values: dict[Metric, float], split: Split, condition: Condition, layer: str = FEATURES_LAYER) -> None:
        """Add scalars measured around the means of (split, condition); an undefined scalar gets no row."""
        around = {"means_split": split, "means_condition": condition.slug, "layer": layer}
        defined = {name: value for name, value in values.items() if not math.isnan(value)}
        self.rows.add("metric", **self.key, **around, metric=list(defined), value=list(defined.values()))

    def add_per_class(self, values: dict[ClassMetric, torch.Tensor], split: Split, condition: Condition) -> None:
        """Add scalars (C,) per class, measured around the means of (split, condition); absent classes get no row."""
        around = {"means_split": split, "means_condition": condition.slug, "layer": FEATURES_LAYER}
        for name, numbers in values.items():
            column = numbers.cpu().double().numpy()
            (defined,) = np.nonzero(~np.isnan(column))
            self.rows.add(
                "class_metric", **self.key, **around, **{"class": defined}, metric=name, value=column[defined]
            )


def add_collapse_metrics(measured_condition: MeasuredCondition, model: FeatureClassifier) -> dict[Metric, float]:
    """Add the metrics measured around the condition's own class means; return the scalars."""
    features = measured_condition.features
    scatter = metrics.scatter_around([(features.features, features.labels)], measured_condition.means)
    values = metrics.collapse(measured_condition.means, scatter, model.weight)
    values |= metrics.classifier_metrics(features.labels, features.logits, scatter.nearest)
    measured_condition.add(values, measured_condition.split, measured_condition.condition)
    per_class = {
        ClassMetric.COUNT: measured_condition.means.counts,
        ClassMetric.NORM: measured_condition.means.centred.norm(dim=1),
        ClassMetric.VARIANCE: scatter.per_class,
    }
    measured_condition.add_per_class(per_class, measured_condition.split, measured_condition.condition)
    return values


def add_against_clean(
    measured_condition: MeasuredCondition, clean: MeasuredCondition, train_clean: metrics.ClassMeans
) -> None:
    """Add nearest-centre accuracy by the clean train means; compare other conditions with the clean one of their split.

    The comparisons are alignment, metrics around each other's means, and leaps.
    """
    features, labels = measured_condition.features.features, measured_condition.features.labels
    if measured_condition.split is not Split.TRAIN:
        nearest = metrics.nearest_centre(features, train_clean)
        measured_condition.add({Metric.NCC_ACCURACY: float((nearest == labels).double().mean())}, Split.TRAIN, CLEAN)
    if measured_condition.condition == CLEAN:
        return
    measured_condition.add(metrics.cross(features, labels, clean.means), measured_condition.split, CLEAN)
    clean.add(
        metrics.cross(clean.features.features, clean.features.labels, measured_condition.means),
        measured_condition.split,
        measured_condition.condition,
    )
    alignment = metrics.compare_class_means(clean.means, measured_condition.means)
    measured_condition.add(alignment.averages_over_classes(), measured_condition.split, CLEAN)
    measured_condition.add_per_class(
        {name: getattr(alignment, name) for name in _ALIGNMENT}, measured_condition.split, CLEAN
    )
    attacked = measured_condition.condition.is_attack or measured_condition.condition.kind is ConditionKind.AS_TRAINED
    if attacked and not measured_condition.condition.relabelled:
        leaps = metrics.leaps_by_class_pair(
            features, measured_condition.features.true, measured_condition.features.predicted, clean.means
        )
        true, predicted, counts, turned = leaps.nonempty_counts_and_angles()
        measured_condition.rows.add(
            "leap", **measured_condition.key, true_class=true, predicted_class=predicted, count=counts, angle=turned
        )


def add_layers(
    measured_condition: MeasuredCondition,
    batches: Callable[[], Iterator],
    centres: dict[str, metrics.ClassMeans],
    add_up: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    """Add NC1 of every stage around its own means, and nearest-centre accuracy by the clean train means.

    The first condition measured fills `centres`; `add_up` sums a tensor over the processes of the run.
    """
    means = metrics.layer_means(batches, len(measured_condition.means.counts), add_up)
    centres |= {} if centres else means
    for layer, values in metrics.layerwise(batches, means, centres, add_up).items():
        measured_condition.add(
            {Metric.NC1: values[Metric.NC1]}, measured_condition.split, measured_condition.condition, layer
        )
        measured_condition.add({Metric.NCC_ACCURACY: values[Metric.NCC_ACCURACY]}, Split.TRAIN, CLEAN, layer)


def add_means(measured_condition: MeasuredCondition) -> None:
    """Add the means of the classes present."""
    present = measured_condition.means.present_classes
    vectors, classes = measured_condition.means.means[present].cpu().numpy(), {"class": present.cpu().numpy()}
    measured_condition.rows.add("class_mean", **measured_condition.key, layer=FEATURES_LAYER, **classes, vector=vectors)


def add_sample(
    measured_condition: MeasuredCondition,
    indices: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    features: np.ndarray,
) -> None:
    """Add sampled features (n, d) with their sample indices, true labels and predicted labels (n,)."""
    sampled = {"sample": indices, "label": labels, "predicted": predicted, "vector": features}
    measured_condition.rows.add("feature", **measured_condition.key, **sampled)


def add_classifier(run_id: str, epoch: int, model: FeatureClassifier, rows: Rows) -> None:
    """Add W and b."""
    weight, bias = model.weight.detach().cpu().numpy(), model.bias.detach().cpu().numpy().astype(np.float64)
    rows.add("classifier", run_id=run_id, epoch=epoch, **{"class": range(len(bias))}, vector=weight, bias=bias)
