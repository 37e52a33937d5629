"""Pass two over a stream of features: the scatter of samples around given class means, without a d x d matrix.

The centred means M (C, d) span k <= C - 1 directions, and NC1 needs the within-class covariance in these only. The only
matrix product of the pass is therefore that of the residuals h - mu_c with the directions. The nearest mean follows
from the same product: the means differ only within their span, where h is known from its residual and its own class's
mean.

Tested by tests/rnc/metrics/test_row_chunks_and_precision.py.
"""

from dataclasses import dataclass, field

import torch

from rnc.metrics.means_by_class import ClassMeans
from rnc.metrics.row_chunks_and_precision import (
    Array,
    Batches,
    LabelRange,
    Reduce,
    Shift,
    as_samples,
    check_finite,
    dtype_for_products,
    one_process,
    power_of_two_rescaling_factor,
    row_slices,
)


@dataclass(frozen=True)
class Scatter:
    """The within-class scatter around given means."""

    along: torch.Tensor
    """(k,) variance of the residuals along each of `ClassMeans.singular_values_and_vectors`: (1/N) sum of squares."""
    per_class: torch.Tensor
    """(C,) mean squared distance to the class mean; NaN for classes without samples."""
    total: float
    """Tr(Sigma_W): the mean squared distance over all samples."""
    nearest: torch.Tensor = field(compare=False)
    """(n,) class of the mean nearest to each sample of this process, in input order; see `nearest_centre`."""


class _Frame:
    """The given means in the precision of the features, with the quantities that rank them by distance.

    All values are multiplied by a power of two that keeps squares in the range of float32, whatever the size of the
    features.
    """

    def __init__(self, means: ClassMeans, features: torch.Tensor, dtype: torch.dtype) -> None:
        """Choose the scale from the means and from some of the features (n, d)."""
        known = (means.counts > 0)[:, None]
        _values, vectors = means.singular_values_and_vectors
        self.scale = power_of_two_rescaling_factor(means.means[means.present_classes], features)
        self.residuals = Shift(torch.where(known, means.means, means.global_mean), dtype, self.scale)
        self.directions = vectors.to(dtype)  # (k, d)
        places = torch.where(known, means.centred, 0.0) @ vectors.T * self.scale  # (C, k)
        self._places = places[means.present_classes].to(dtype)
        # norm(h - mu_c)^2 / 2 falls as h.mu_c - norm(mu_c)^2 / 2 grows, all measured from the global mean; the part of
        # h.mu_c that depends on h's own class only comes from a table.
        rank = places @ places[means.present_classes].T - places[means.present_classes].square().sum(1) / 2
        self._rank, self._present = rank.to(dtype), means.present_classes

    def nearest(self, along: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return the class (n,) of the nearest mean, given residuals along the directions (n, k) from the means of `classes`."""
        return self._present[self._rank.index_select(0, classes).addmm_(along, self._places.T).argmax(1)]


class ScatterSums:
    """Squares of the residuals around given means, accumulated batch by batch.

    Features may have any size that float32 can hold, as long as the means, or the first features, are not 2^60 times
    smaller than other features.
    """

    def __init__(self, means: ClassMeans, nearest: bool = False) -> None:
        """Start without samples; with `nearest`, the nearest means are found as well."""
        self._means, self._labels = means, LabelRange(len(means.counts))
        self._known = means.counts > 0
        self._complete = len(means.present_classes) == len(means.counts)
        nothing = torch.zeros(len(means.counts), dtype=torch.float64, device=means.means.device)
        self._along, self._per_class = nothing.new_zeros(len(means.singular_values_and_vectors[0])), nothing
        self._counts = torch.zeros_like(means.counts)
        self._frame: tuple[torch.dtype, _Frame] | None = None
        self._nearest: list[torch.Tensor] | None = [] if nearest else None

    def add(self, features: Array, labels: Array) -> None:
        """Add features (n, d) and labels (n,); samples of a class without a mean do not count towards the scatter.

        Raises ValueError for other shapes.
        """
        h, y = as_samples(features, labels, self._means.means.device)
        y = self._labels.record_and_clamp(y)
        if self._nearest is not None:
            self._nearest.append(torch.empty_like(y))
        for rows in row_slices(h):
            classes, frame = y[rows], self._frame_for(h[rows])
            residuals = frame.residuals(h[rows], classes)
            along = residuals @ frame.directions.T
            if self._nearest is not None:
                self._nearest[-1][rows] = frame.nearest(along, classes)
            if not self._complete:
                known = self._known[classes][:, None]
                residuals, along = residuals.mul_(known), along * known
            self._along += along.square_().sum(0, dtype=torch.float64) / frame.scale.square()
            lengths = torch.linalg.vector_norm(residuals, dim=1)  # in the precision of the other products
            self._per_class.index_add_(0, classes, (lengths.to(torch.float64) / frame.scale).square_())
        self._counts.index_add_(0, y, self._known[y].to(torch.int64))

    def _frame_for(self, features: torch.Tensor) -> _Frame:
        """Return the frame for features (n, d), created from the first features of their precision."""
        dtype = dtype_for_products(features)
        if self._frame is None or self._frame[0] != dtype:
            self._frame = dtype, _Frame(self._means, features, dtype)
        return self._frame[1]

    def scatter(self, reduce: Reduce = one_process) -> Scatter:
        """Return the scatter over the samples of all processes; NaN if there are none.

        Raises ValueError if a feature is not finite or a label is outside 0..C-1.
        """
        self._labels.check()
        counts, along, per_class = reduce(self._counts), reduce(self._along), reduce(self._per_class)
        check_finite(per_class)
        nearest = torch.cat([counts.new_empty(0), *(self._nearest or [])])
        return Scatter(along / counts.sum(), per_class / counts, float(per_class.sum() / counts.sum()), nearest)


def scatter_around(batches: Batches, means: ClassMeans, reduce: Reduce = one_process) -> Scatter:
    """Run pass two over the samples of pass one, or over other samples around its means.

    Raises ValueError for a label outside 0..C-1 or a feature that is not finite. `reduce` is that of `class_means`.
    """
    sums = ScatterSums(means, nearest=True)
    for features, labels in batches:
        sums.add(features, labels)
    return sums.scatter(reduce)
