"""NC1 and nearest-centre accuracy of every stage of a network, streamed in two passes with bounded memory.

No d x d matrix is ever formed.
"""

from collections.abc import Callable, Iterator

import torch

from rnc.metrics.collapse import nc1
from rnc.metrics.means_by_class import ClassMeans, MeanSums
from rnc.metrics.nearest_centre import nearest_centre_unchecked
from rnc.metrics.row_chunks_and_precision import Reduce, one_process
from rnc.metrics.scatter_around_means import ScatterSums
from rnc.vocabulary import Metric

Stages = Iterator[tuple[str, torch.Tensor]]
"""Iterator of (stage, activation (n, ...)); each activation is released before the next is computed."""
StageBatches = Callable[[], Iterator[tuple[Stages, torch.Tensor]]]
"""Function that starts a pass over the samples: it yields the stages of a batch and its labels (n,)."""


def layer_means(batches: StageBatches, num_classes: int, reduce: Reduce = one_process) -> dict[str, ClassMeans]:
    """Return the class means (C, d) of every stage's flattened activations, by name. Raises ValueError like `class_means`.

    `reduce` sums over several processes; each process needs at least one batch, which may be empty.
    """
    sums: dict[str, MeanSums] = {}
    for stages, labels in batches():
        for name, activation in stages:
            sums.setdefault(name, MeanSums(num_classes)).add(activation.flatten(1), labels)
    if not sums:
        raise ValueError("there are no samples to measure")
    return {name: of_stage.means(reduce) for name, of_stage in sums.items()}


def layerwise(
    batches: StageBatches, means: dict[str, ClassMeans], centres: dict[str, ClassMeans], reduce: Reduce = one_process
) -> dict[str, dict[Metric, float]]:
    """Return NC1 (divided by C) and nearest-centre accuracy of every stage's flattened activations (paper, section 3).

    NC1 is around the stage's own `means`, from the same samples. The accuracy is the share of samples whose nearest
    mean among `centres`, the clean means of the train split, belongs to their label. Raises ValueError like
    `scatter_around`, and KeyError for a stage without means or centres. `reduce` is that of `layer_means`.
    """
    stages_of = {name: _Stage(means[name], centres[name]) for name in means}
    for stages, labels in batches():
        for name, activation in stages:
            stages_of[name].add(activation.flatten(1), labels)
    return {name: stage.values(reduce) for name, stage in stages_of.items()}


class _Stage:
    """The sums that the second pass accumulates for one stage."""

    def __init__(self, means: ClassMeans, centres: ClassMeans) -> None:
        self._means, self._centres, self._scatter = means, centres, ScatterSums(means)
        self._hits_and_samples = torch.zeros(2, dtype=torch.int64, device=means.means.device)

    def add(self, features: torch.Tensor, labels: torch.Tensor) -> None:
        self._scatter.add(features, labels)
        nearest = nearest_centre_unchecked(features, self._centres)  # the scatter checks that the features are finite
        self._hits_and_samples[0] += (nearest == labels.to(nearest.device)).sum()
        self._hits_and_samples[1] += len(labels)

    def values(self, reduce: Reduce) -> dict[Metric, float]:
        scatter = self._scatter.scatter(reduce)
        hits, samples = reduce(self._hits_and_samples).tolist()
        return {
            Metric.NC1: nc1(self._means, scatter),
            Metric.NCC_ACCURACY: hits / samples if samples else float("nan"),
        }
