"""Counts, class means and within-class scatter of a stream of features, in two passes and without a d x d matrix.

Pass one gives the means. Their centred matrix M (C, d) spans at most C - 1 directions, and NC1 needs the within-class
covariance in those directions only, so pass two accumulates the residuals' squares there and nowhere else.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

Batches = Iterable[tuple[torch.Tensor | np.ndarray, torch.Tensor | np.ndarray]]
"""(features (n, d), labels (n,)) batch by batch; iterated once by each pass."""

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""Sums a tensor over the processes that share the samples; alone, what it is given."""

_RELATIVE_CUTOFF = 1e-6  # singular values of M below this share of the largest are dropped; paper, section 3
_CHUNK = 2**22  # numbers that are brought to float64 at a time: 32 MiB


def alone(total: torch.Tensor) -> torch.Tensor:
    """The sum over one process."""
    return total


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
    """(C,) mean squared distance to the class mean; NaN for classes of which there is no sample."""
    total: float
    """Tr(Sigma_W): the mean squared distance over all samples."""


class MeanSums:
    """Pass one, batch by batch: counts and sums of each class."""

    def __init__(self, num_classes: int) -> None:
        """Start with no sample."""
        self._num_classes = num_classes
        self._counts: torch.Tensor | None = None
        self._sums: torch.Tensor | None = None

    def add(self, features: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray) -> None:
        """Take in features (n, d) and labels (n,). Raises ValueError for other shapes, or a label outside 0..C-1."""
        h, y = torch.as_tensor(features).detach(), torch.as_tensor(labels).to(torch.int64)
        _check(h, y, self._num_classes)
        y = y.to(h.device)
        if self._sums is None or self._counts is None:
            self._sums = torch.zeros(self._num_classes, h.shape[1], dtype=torch.float64, device=h.device)
            self._counts = torch.zeros(self._num_classes, dtype=torch.int64, device=h.device)
        for part, classes in chunks(h, y):
            self._sums.index_add_(0, classes, part)
        self._counts += torch.bincount(y, minlength=self._num_classes)

    def means(self, reduce: Reduce = alone) -> ClassMeans:
        """The means of what was taken in by all processes. Raises ValueError where that is nothing, or not finite."""
        if self._sums is None or self._counts is None:
            raise ValueError("there are no samples to measure")
        counts, sums = reduce(self._counts), reduce(self._sums)
        if int(counts.sum()) == 0:
            raise ValueError("there are no samples to measure")
        _check_finite(sums)
        return ClassMeans(counts, torch.where(counts[:, None] > 0, sums / counts[:, None], torch.nan))


class ScatterSums:
    """Pass two, batch by batch: squares of the residuals around given means."""

    def __init__(self, means: ClassMeans) -> None:
        """Start with no sample."""
        self._means = means
        _values, self._vectors = means.directions
        nothing = torch.zeros(len(means.counts), dtype=torch.float64, device=means.means.device)
        self._along, self._per_class = nothing.new_zeros(len(self._vectors)), nothing
        self._counts = torch.zeros_like(means.counts)

    def add(self, features: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray) -> None:
        """Take in features (n, d) and labels (n,); samples of a class that has no mean are left out.

        Raises ValueError for other shapes, or a label outside 0..C-1.
        """
        h, y = torch.as_tensor(features).detach(), torch.as_tensor(labels).to(self._means.means.device, torch.int64)
        _check(h, y, len(self._counts))
        for part, classes in chunks(h, y):
            known = self._means.counts[classes] > 0
            if not known.all():
                part, classes = part[known], classes[known]
            residuals = part - self._means.means[classes]
            self._along += (residuals @ self._vectors.T).square().sum(0)
            self._per_class.index_add_(0, classes, residuals.square().sum(1))
            self._counts += torch.bincount(classes, minlength=len(self._counts))

    def scatter(self, reduce: Reduce = alone) -> Scatter:
        """The scatter of what was taken in by all processes; NaN where that is nothing. Raises ValueError if not finite."""
        counts, along, per_class = reduce(self._counts), reduce(self._along), reduce(self._per_class)
        _check_finite(per_class)
        return Scatter(along / counts.sum(), per_class / counts, float(per_class.sum() / counts.sum()))


def class_means(batches: Batches, num_classes: int, reduce: Reduce = alone) -> ClassMeans:
    """Pass one. Raises ValueError where there is no sample, a label outside 0..C-1 or a feature that is not finite.

    `reduce` joins the sums of several processes; each must have at least one batch, if an empty one.
    """
    sums = MeanSums(num_classes)
    for features, labels in batches:
        sums.add(features, labels)
    return sums.means(reduce)


def scatter_around(batches: Batches, means: ClassMeans, reduce: Reduce = alone) -> Scatter:
    """Pass two: over the samples of pass one, or over others around its means.

    Raises ValueError for a label outside 0..C-1 or a feature that is not finite. `reduce` is that of `class_means`.
    """
    sums = ScatterSums(means)
    for features, labels in batches:
        sums.add(features, labels)
    return sums.scatter(reduce)


def chunks(features: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Features in float64 and their labels, a few rows at a time, so that no second copy of a large batch is made."""
    rows = max(_CHUNK // max(features.shape[1], 1), 1)
    for part, classes in zip(features.split(rows), labels.split(rows), strict=True):
        yield as_float64(part), classes


def check_labels(labels: torch.Tensor, num_classes: int) -> None:
    """Raise ValueError for a label outside 0..C-1."""
    if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < num_classes):
        raise ValueError(f"labels must be 0..{num_classes - 1}; got {int(labels.min())}..{int(labels.max())}")


def _check(features: torch.Tensor, labels: torch.Tensor, num_classes: int) -> None:
    if features.dim() != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features must be (N, d) and labels (N,); got {tuple(features.shape)}, {tuple(labels.shape)}")
    check_labels(labels, num_classes)


def _check_finite(sums: torch.Tensor) -> None:
    """In the sums, any feature that is not finite shows: cheaper than a look at each, and all processes raise together."""
    if not torch.isfinite(sums).all():
        raise ValueError("features hold NaN or infinite values; the network has diverged (try a smaller learning rate)")
