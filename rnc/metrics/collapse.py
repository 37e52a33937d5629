"""NC1 to NC4 and related metrics, from class statistics and the classifier (Papyan, Han, Donoho 2020; paper, section 3)."""

import torch
from torch.nn import functional

from rnc.metrics.collapse_measures_from_literature import related_metrics
from rnc.metrics.means_by_class import ClassMeans, class_means
from rnc.metrics.row_chunks_and_precision import (
    Array,
    as_float64,
    check_finite,
    dtype_for_products,
    power_of_two_rescaling_factor,
    row_slices,
)
from rnc.metrics.scatter_around_means import Scatter, scatter_around
from rnc.vocabulary import Metric

MEASURED = (
    Metric.NC1,
    Metric.NC2_EQUINORM,
    Metric.NC2_EQUIANGULARITY,
    Metric.NC2_EQUINORM_W,
    Metric.NC2_EQUIANGULARITY_W,
    Metric.NC3,
    Metric.NC4,
    Metric.ACCURACY,
    Metric.LOSS,
    Metric.NCC_ACCURACY,
)
"""The metrics that `measure` returns."""
_SMALL, _LARGE = 1e-25, 1e30
"""Bounds for products of a feature and a weight: in between, float32 sums of many products neither overflow nor underflow."""


def measure(features: Array, labels: Array, weight: Array, bias: Array | None, num_classes: int) -> dict[str, float]:
    """Return all collapse metrics of one set of features around its own class means, as plain floats by metric name.

    features (N, d) are penultimate features, labels (N,) in 0..C-1, weight (C, d), bias (C,) or None for zeros. Keys:
    nc1, nc2_equinorm, nc2_equiangularity, nc2_equinorm_w, nc2_equiangularity_w, nc3, nc4, accuracy, loss, ncc_accuracy.
    Conventions: NC1 is divided by C; standard deviations are unbiased; NC4 is the share of disagreement; absent classes
    are left out. A metric that is undefined for the data (for example with one class present) is NaN. Raises ValueError
    like `class_means`, and for weights or biases that are not finite.
    """
    h, y, w = torch.as_tensor(features).detach(), torch.as_tensor(labels), as_float64(weight)
    b = w.new_zeros(num_classes) if bias is None else as_float64(bias)
    if w.shape != (num_classes, h.shape[-1]) or b.shape != (num_classes,):
        raise ValueError(f"weight must be (C, d) and bias (C,) for C = {num_classes}, d = {h.shape[-1]}")
    check_finite(w, "weights")
    check_finite(b, "biases")
    means = class_means([(h, y)], num_classes)
    scatter = scatter_around([(h, y)], means)
    values = collapse(means, scatter, w) | classifier_metrics(y, _logits(h, w, b), scatter.nearest)
    return {str(name): values[name] for name in MEASURED}


def _logits(h: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return W h + b (N, C) in the precision of the features, or in float64 if the products do not fit float32."""
    dtype = dtype_for_products(h)
    size = 1 / float(power_of_two_rescaling_factor(h)) / float(power_of_two_rescaling_factor(w))
    if not _SMALL < size < _LARGE:
        dtype = torch.float64
    return torch.addmm(b.to(dtype), h.to(dtype), w.to(dtype).T)


def collapse(means: ClassMeans, scatter: Scatter, weight: Array) -> dict[Metric, float]:
    """Return the metrics that need only statistics and W (C, d): NC1, NC2 of means and classifier, NC3, and `related_metrics`.

    Raises ValueError if the weights of a class that is present are not finite.
    """
    centred, rows = means.centred[means.present_classes], as_float64(weight)[means.present_classes]
    check_finite(rows, "weights")
    return {
        Metric.NC1: nc1(means, scatter),
        Metric.NC2_EQUINORM: equinorm(centred),
        Metric.NC2_EQUIANGULARITY: equiangularity(centred),
        Metric.NC2_COS_STD: cosine_std(centred),
        Metric.NC2_EQUINORM_W: equinorm(rows),
        Metric.NC2_EQUIANGULARITY_W: equiangularity(rows),
        Metric.NC2_COS_STD_W: cosine_std(rows),
        Metric.NC3: float((rows / rows.norm() - centred / centred.norm()).square().sum()),
        Metric.CLASSES_PRESENT: float(len(means.present_classes)),
    } | related_metrics(means, scatter, rows)


def classifier_metrics(labels: Array, logits: Array, nearest: torch.Tensor) -> dict[Metric, float]:
    """Return the metrics of decisions from logits (N, C): NC4, accuracy, loss (nats) and nearest-centre accuracy.

    `nearest` (N,) are the classes of the nearest means, as in `Scatter`. Raises ValueError for logits that are NaN.
    """
    z = torch.as_tensor(logits).detach()
    if bool(z.isnan().any()):
        raise ValueError("logits hold NaN; the network has diverged (try a smaller learning rate)")
    y, nearest = torch.as_tensor(labels).to(z.device, torch.int64), nearest.to(z.device)
    decided, loss = z.argmax(1), z.new_zeros((), dtype=torch.float64)
    for rows in row_slices(z):
        loss += functional.cross_entropy(z[rows].double(), y[rows], reduction="sum")
    return {
        Metric.NC4: float((decided != nearest).double().mean()),
        Metric.ACCURACY: float((decided == y).double().mean()),
        Metric.LOSS: float(loss) / len(y),
        Metric.NCC_ACCURACY: float((nearest == y).double().mean()),
    }


def nc1(means: ClassMeans, scatter: Scatter) -> float:
    """Return Tr(Sigma_W pinv(Sigma_B)) / C. Sigma_B has the eigenvalues s^2 / C, so this C cancels the division by C."""
    singular_values, _vectors = means.singular_values_and_vectors
    return float((scatter.along / singular_values.square()).sum()) if len(singular_values) else float("nan")


def equinorm(vectors: torch.Tensor) -> float:
    """Return the unbiased std over the mean of the norms of vectors (C, d); 0 if all norms are equal."""
    norms = vectors.norm(dim=1)
    return float(norms.std() / norms.mean()) if len(norms) > 1 else float("nan")


def equiangularity(vectors: torch.Tensor) -> float:
    """Return the mean over pairs of |cos + 1/(C-1)|, for vectors (C, d); 0 for a simplex."""
    cosines = _pair_cosines(vectors)
    return float((cosines + 1 / (len(vectors) - 1)).abs().mean()) if len(cosines) else float("nan")


def cosine_std(vectors: torch.Tensor) -> float:
    """Return the unbiased std of the cosines over the pairs of vectors (C, d); this is Papyan's equiangularity."""
    cosines = _pair_cosines(vectors)
    return float(cosines.std()) if len(cosines) > 1 else float("nan")


def _pair_cosines(vectors: torch.Tensor) -> torch.Tensor:
    """Return the cosine of each unordered pair, (C(C-1)/2,)."""
    unit = functional.normalize(vectors, dim=1, eps=0.0)
    first, second = torch.triu_indices(len(vectors), len(vectors), offset=1)
    return (unit @ unit.T)[first, second]
