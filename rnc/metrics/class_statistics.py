"""Counts, class means and within-class scatter of a stream of features, in two passes and without a d x d matrix.

Pass one gives the means. Their centred matrix M (C, d) spans at most C - 1 directions, and NC1 needs the within-class
covariance in those directions only, so pass two accumulates the residuals' squares there and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

Batches = Iterable[tuple[torch.Tensor | np.ndarray, torch.Tensor | np.ndarray]]
"""(features (n, d), labels (n,)) batch by batch; iterated once by each pass."""

_RELATIVE_CUTOFF = 1e-6  # singular values of M below this share of the largest are dropped; paper, section 3


def as_float64(x: torch.Tensor | np.ndarray) -> torch.Tensor:
    """The values as a float64 tensor, on the device where they are."""
    return torch.as_tensor(x).detach().to(torch.float64)


@dataclass(frozen=True)
class ClassMeans:
    """The means of the classes that are present (C' of C) in a split under a condition."""

    counts: torch.Tensor
    """(C,) samples per class, zeros included."""
    means: torch.Tensor
    """(C, d) class means; NaN rows for absent classes."""

    @cached_property
    def present(self) -> torch.Tensor:
        """(C',) the classes with at least one sample."""
        return self.counts.nonzero().squeeze(1)

    @cached_property
    def global_mean(self) -> torch.Tensor:
        """(d,) the unweighted mean of the class means."""
        return self.means[self.present].mean(0)

    @cached_property
    def centred(self) -> torch.Tensor:
        """(C, d) class means minus the global mean; NaN rows for absent classes."""
        return self.means - self.global_mean

    @cached_property
    def directions(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Singular values (k,) and orthonormal right vectors (k, d) of the centred means, the negligible ones dropped."""
        _u, values, vectors = torch.linalg.svd(self.centred[self.present], full_matrices=False)
        kept = values > _RELATIVE_CUTOFF * values[0]
        return values[kept], vectors[kept]


@dataclass(frozen=True)
class Scatter:
    """Within-class scatter around given means."""

    along: torch.Tensor
    """(k,) variance of the residuals along each of `ClassMeans.directions`: (1/N) sum of squares."""
    per_class: torch.Tensor
    """(C,) mean squared distance to the class mean; NaN for absent classes."""


def class_means(batches: Batches, num_classes: int) -> ClassMeans:
    """Pass one. Raises ValueError where there is no sample, a label outside 0..C-1 or a feature that is not finite."""
    counts = sums = None
    for features, labels in batches:
        h, y = as_float64(features), torch.as_tensor(labels).to(torch.int64)
        _check(h, y, num_classes)
        if sums is None or counts is None:
            sums = torch.zeros(num_classes, h.shape[1], dtype=torch.float64, device=h.device)
            counts = torch.zeros(num_classes, dtype=torch.int64, device=h.device)
        sums.index_add_(0, y.to(h.device), h)
        counts += torch.bincount(y.to(h.device), minlength=num_classes)
    if sums is None or counts is None or int(counts.sum()) == 0:
        raise ValueError("there are no samples to measure")
    return ClassMeans(counts, torch.where(counts[:, None] > 0, sums / counts[:, None], torch.nan))


def scatter_around(batches: Batches, means: ClassMeans) -> Scatter:
    """Pass two, over the same samples as pass one."""
    _values, vectors = means.directions
    along = torch.zeros(len(vectors), dtype=torch.float64, device=vectors.device)
    per_class = torch.zeros(len(means.counts), dtype=torch.float64, device=vectors.device)
    for features, labels in batches:
        y = torch.as_tensor(labels).to(means.means.device, torch.int64)
        residuals = as_float64(features) - means.means[y]
        along += (residuals @ vectors.T).square().sum(0)
        per_class.index_add_(0, y, residuals.square().sum(1))
    return Scatter(along / means.counts.sum(), per_class / means.counts)


def check_labels(labels: torch.Tensor, num_classes: int) -> None:
    """Raise ValueError for a label outside 0..C-1."""
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
        raise ValueError(f"labels must be 0..{num_classes - 1}; got {int(labels.min())}..{int(labels.max())}")


def _check(features: torch.Tensor, labels: torch.Tensor, num_classes: int) -> None:
    if features.dim() != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features must be (N, d) and labels (N,); got {tuple(features.shape)}, {tuple(labels.shape)}")
    check_labels(labels, num_classes)
    if not torch.isfinite(features).all():
        raise ValueError("features hold NaN or infinite values; the network has diverged (try a smaller learning rate)")
