"""Pass one over a stream of features: the counts and means of the classes, and the directions that the means span."""

from dataclasses import dataclass
from functools import cached_property

import torch

from rnc.metrics.row_chunks_and_precision import (
    Array,
    Batches,
    LabelRange,
    Reduce,
    as_float64,
    as_samples,
    check_finite,
    one_process,
    row_slices,
)

_RELATIVE_CUTOFF = 1e-6  # singular values of M below this share of the largest are dropped; paper, section 3


@dataclass(frozen=True)
class ClassMeans:
    """The means of the classes present (C' of C) in a split under a condition."""

    counts: torch.Tensor
    """(C,) samples per class, zeros included."""
    means: torch.Tensor
    """(C, d) class means; NaN rows for absent classes."""

    @cached_property
    def present_classes(self) -> torch.Tensor:
        """Return the classes (C',) with at least one sample."""
        return self.counts.nonzero().squeeze(1)

    @cached_property
    def global_mean(self) -> torch.Tensor:
        """Return the unweighted mean (d,) of the class means."""
        return self.means[self.present_classes].mean(0)

    @cached_property
    def centred(self) -> torch.Tensor:
        """Return the class means minus the global mean, (C, d); NaN rows for absent classes."""
        return self.means - self.global_mean

    @cached_property
    def singular_values_and_vectors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the singular values (k,) and orthonormal right vectors (k, d) of the centred means, without negligible ones."""
        _u, values, vectors = torch.linalg.svd(self.centred[self.present_classes], full_matrices=False)
        significant = values > _RELATIVE_CUTOFF * values[0]
        return values[significant], vectors[significant]


class MeanSums:
    """Counts and sums per class, accumulated batch by batch."""

    def __init__(self, num_classes: int) -> None:
        """Start without samples."""
        self._num_classes, self._labels = num_classes, LabelRange(num_classes)
        self._counts: torch.Tensor | None = None
        self._sums: torch.Tensor | None = None

    def add(self, features: Array, labels: Array) -> None:
        """Add features (n, d) and labels (n,). Raises ValueError for other shapes."""
        h, y = as_samples(features, labels)
        y = self._labels.record_and_clamp(y)
        if self._sums is None or self._counts is None:
            self._sums = torch.zeros(self._num_classes, h.shape[1], dtype=torch.float64, device=h.device)
            self._counts = torch.zeros(self._num_classes, dtype=torch.int64, device=h.device)
        for rows in row_slices(h, share=4):
            self._sums.index_add_(0, y[rows], as_float64(h[rows]))
        self._counts.index_add_(0, y, torch.ones_like(y))

    def means(self, reduce: Reduce = one_process) -> ClassMeans:
        """Return the class means over the samples of all processes.

        Raises ValueError if there are no samples, if a feature is not finite, or if a label is outside 0..C-1.
        """
        self._labels.check()
        if self._sums is None or self._counts is None:
            raise ValueError("there are no samples to measure")
        counts, sums = reduce(self._counts), reduce(self._sums)
        if int(counts.sum()) == 0:
            raise ValueError("there are no samples to measure")
        check_finite(sums)
        return ClassMeans(counts, torch.where(counts[:, None] > 0, sums / counts[:, None], torch.nan))


def class_means(batches: Batches, num_classes: int, reduce: Reduce = one_process) -> ClassMeans:
    """Run pass one. Raises ValueError without samples, for a label outside 0..C-1 and for a feature that is not finite.

    `reduce` sums over several processes; each process needs at least one batch, which may be empty.
    """
    sums = MeanSums(num_classes)
    for features, labels in batches:
        sums.add(features, labels)
    return sums.means(reduce)
