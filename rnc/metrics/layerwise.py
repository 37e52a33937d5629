"""NC1 and nearest centre of every stage of a network, streamed: two passes, bounded memory, never a d x d matrix."""

from collections.abc import Callable, Iterator

import torch

from rnc.metrics.class_statistics import ClassMeans, MeanSums
from rnc.metrics.collapse import nc1
from rnc.metrics.nearest_centre import nearest_of_finite
from rnc.metrics.scatter import ScatterSums
from rnc.metrics.streaming import Reduce, alone
from rnc.vocabulary import Metric

Stages = Iterator[tuple[str, torch.Tensor]]
"""(stage, activation (n, ...)) one after the other; an activation is let go before the next is asked for."""
StageBatches = Callable[[], Iterator[tuple[Stages, torch.Tensor]]]
"""Begins a pass over the samples: the stages of a batch, and its labels (n,)."""


def layer_means(batches: StageBatches, num_classes: int, reduce: Reduce = alone) -> dict[str, ClassMeans]:
    """Class means (C, d) of every stage's flattened activations, by name. Raises ValueError as `class_means` does.

    `reduce` joins the sums of several processes; each must have at least one batch, if an empty one.
    """
    sums: dict[str, MeanSums] = {}
    for stages, labels in batches():
        for name, activation in stages:
            sums.setdefault(name, MeanSums(num_classes)).add(activation.flatten(1), labels)
    if not sums:
        raise ValueError("there are no samples to measure")
    return {name: of_stage.means(reduce) for name, of_stage in sums.items()}


def layerwise(
    batches: StageBatches, means: dict[str, ClassMeans], centres: dict[str, ClassMeans], reduce: Reduce = alone
) -> dict[str, dict[Metric, float]]:
    """NC1 (divided by C) and nearest-centre accuracy of every stage's flattened activations (paper, section 3).

    NC1 is around the stage's own `means`, of the same samples; the accuracy is the share whose nearest of `centres`,
    the clean means of train, is their label's. Raises ValueError as `scatter_around` does, KeyError for a stage that
    has no means or centres. `reduce` is that of `layer_means`.
    """
    stages_of = {name: _Stage(means[name], centres[name]) for name in means}
    for stages, labels in batches():
        for name, activation in stages:
            stages_of[name].add(activation.flatten(1), labels)
    return {name: stage.values(reduce) for name, stage in stages_of.items()}


class _Stage:
    """What the second pass accumulates of one stage."""

    def __init__(self, means: ClassMeans, centres: ClassMeans) -> None:
        self._means, self._centres, self._scatter = means, centres, ScatterSums(means)
        self._hits_and_samples = torch.zeros(2, dtype=torch.int64, device=means.means.device)

    def add(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        self._scatter.add(features, labels)
        nearest = nearest_of_finite(features, self._centres)  # (the scatter asks whether they are finite)
        self._hits_and_samples[0] += (nearest == labels.to(nearest.device)).sum()
        self._hits_and_samples[1] += len(labels)

    def values(self, reduce: Reduce) -> dict[Metric, float]:
        scatter = self._scatter.scatter(reduce)
        hits, samples = reduce(self._hits_and_samples).tolist()
        return {
            Metric.NC1: nc1(self._means, scatter),
            Metric.NCC_ACCURACY: hits / samples if samples else float("nan"),
        }
