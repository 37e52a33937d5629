"""Measurements of attacked images: around their own class means, against the clean class means, and at every stage.

Tested by tests/rnc/lab/engine/test_measured_attack_frames.py.
"""

from collections.abc import Iterator

import torch

from rnc import metrics
from rnc.features import FeatureSet, stage_batches
from rnc.lab.engine.loading import AttackInputs
from rnc.metrics.collapse import nc1
from rnc.vocabulary import Metric

Layers = dict[str, dict[Metric, float]]


def clean_means(inputs: AttackInputs, clean: FeatureSet) -> metrics.ClassMeans:
    """Return the class means of the clean features."""
    return metrics.class_means([(clean.features, inputs.labels)], inputs.num_classes)


def collapse_metrics(inputs: AttackInputs, features: FeatureSet, labels: torch.Tensor) -> dict[str, float]:
    """Return every collapse metric of features around their own class means, by name."""
    return metrics.measure(features.features, labels, inputs.model.weight, inputs.model.bias, inputs.num_classes)


def mean_alignment(
    inputs: AttackInputs, clean: metrics.ClassMeans, features: FeatureSet, labels: torch.Tensor
) -> dict[str, float]:
    """Return angles and distances between the class means of features and the clean class means, by name."""
    means = metrics.class_means([(features.features, labels)], inputs.num_classes)
    return {
        str(name): value for name, value in metrics.compare_class_means(clean, means).averages_over_classes().items()
    }


def frame_metrics(
    inputs: AttackInputs, clean: metrics.ClassMeans, features: FeatureSet, labels: torch.Tensor
) -> dict[str, float]:
    """Return the metrics that are measured at every frame of an attack, by name."""
    means = metrics.class_means([(features.features, labels)], inputs.num_classes)
    scatter = metrics.scatter_around([(features.features, labels)], means)
    of_classifier = metrics.classifier_metrics(labels, features.logits, scatter.nearest)
    return {
        str(Metric.NC1): nc1(means, scatter),
        **{str(name): of_classifier[name] for name in (Metric.ACCURACY, Metric.NCC_ACCURACY, Metric.LOSS)},
        str(Metric.ANGLE): metrics.compare_class_means(clean, means).averages_over_classes()[Metric.ANGLE],
    }


def layer_means(inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor) -> dict[str, metrics.ClassMeans]:
    """Return the class means of every stage, beginning with the pixels."""
    return metrics.layer_means(lambda: _stages(inputs, images, labels), inputs.num_classes)


def layerwise(
    inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor, clean: dict[str, metrics.ClassMeans]
) -> Layers:
    """Return NC1 around the images' class means, and nearest-class-mean accuracy for the clean means, at every stage."""
    means = layer_means(inputs, images, labels)
    return metrics.layerwise(lambda: _stages(inputs, images, labels), means, clean)


def nc1_and_ncc_accuracy(
    inputs: AttackInputs, features: FeatureSet, labels: torch.Tensor, clean: metrics.ClassMeans
) -> dict[Metric, float]:
    """Return what `layerwise` measures at a stage for the penultimate features, which come after the last one."""
    means = metrics.class_means([(features.features, labels)], inputs.num_classes)
    hits = metrics.nearest_centre(features.features, clean) == labels
    return {
        Metric.NC1: nc1(means, metrics.scatter_around([(features.features, labels)], means)),
        Metric.NCC_ACCURACY: float(hits.double().mean()),
    }


def _stages(
    inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor
) -> Iterator[tuple[Iterator[tuple[str, torch.Tensor]], torch.Tensor]]:
    """Yield the stages of every batch, without a graph for gradients."""
    with torch.no_grad():
        yield from stage_batches(inputs.model, inputs.image_batches(images, labels))
