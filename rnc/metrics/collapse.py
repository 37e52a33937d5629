"""NC1 to NC4 and their kin, from class statistics and the classifier (Papyan, Han, Donoho 2020; paper, section 3)."""

import torch
from torch.nn import functional

from rnc.metrics.class_statistics import ClassMeans, class_means
from rnc.metrics.related import kin
from rnc.metrics.scatter import Scatter, scatter_around
from rnc.metrics.streaming import Array, as_float64, check_finite, power_of_two, row_slices, working_dtype
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
"""What `measure` returns."""
_SMALL, _LARGE = 1e-25, 1e30
"""Products of a feature and a weight between these leave room in float32 for sums of many, and for their last digits."""


def measure(features: Array, labels: Array, weight: Array, bias: Array | None, num_classes: int) -> dict[str, float]:
    """All collapse metrics of one set of features around its own class means, as plain floats by metric name.

    features (N, d) are penultimate features, labels (N,) in 0..C-1, weight (C, d), bias (C,) or None for zeros. Keys:
    nc1, nc2_equinorm, nc2_equiangularity, nc2_equinorm_w, nc2_equiangularity_w, nc3, nc4, accuracy, loss, ncc_accuracy.
    Conventions: NC1 is divided by C; stds are unbiased; NC4 is disagreement; absent classes are left out.
    A metric that the data do not define (one class present, say) is NaN. Raises ValueError as `class_means` does, and for
    weights or biases that are not finite.
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
    """W h + b (N, C) in the precision of the features, in float64 where the products are too large or small for float32."""
    dtype = working_dtype(h)
    size = 1 / float(power_of_two(h)) / float(power_of_two(w))
    if not _SMALL < size < _LARGE:
        dtype = torch.float64
    return torch.addmm(b.to(dtype), h.to(dtype), w.to(dtype).T)


def collapse(means: ClassMeans, scatter: Scatter, weight: Array) -> dict[Metric, float]:
    """The metrics that need statistics and W (C, d) only: NC1, NC2 of means and classifier, NC3, and `kin`.

    Raises ValueError for weights of a class present that are not finite.
    """
    centred, rows = means.centred[means.present], as_float64(weight)[means.present]
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
        Metric.CLASSES_PRESENT: float(len(means.present)),
    } | kin(means, scatter, rows)


def classifier_metrics(labels: Array, logits: Array, nearest: torch.Tensor) -> dict[Metric, float]:
    """The metrics of decisions: NC4, accuracy, loss (nats) and nearest centre, given logits (N, C).

    `nearest` (N,) are the classes of the nearest means, as `Scatter` holds them. Raises ValueError for logits that are NaN.
    """
    found = torch.as_tensor(logits).detach()
    if bool(found.isnan().any()):
        raise ValueError("logits hold NaN; the network has diverged (try a smaller learning rate)")
    y, nearest = torch.as_tensor(labels).to(found.device, torch.int64), nearest.to(found.device)
    decided, loss = found.argmax(1), found.new_zeros((), dtype=torch.float64)
    for rows in row_slices(found):
        loss += functional.cross_entropy(found[rows].double(), y[rows], reduction="sum")
    return {
        Metric.NC4: float((decided != nearest).double().mean()),
        Metric.ACCURACY: float((decided == y).double().mean()),
        Metric.LOSS: float(loss) / len(y),
        Metric.NCC_ACCURACY: float((nearest == y).double().mean()),
    }


def nc1(means: ClassMeans, scatter: Scatter) -> float:
    """Tr(Sigma_W pinv(Sigma_B)) / C: Sigma_B has the eigenvalues s^2 / C, so that the C cancels the division."""
    singular_values, _vectors = means.directions
    return float((scatter.along / singular_values.square()).sum()) if len(singular_values) else float("nan")


def equinorm(vectors: torch.Tensor) -> float:
    """Unbiased std over mean of the norms of vectors (C, d); 0 where all are equally long."""
    norms = vectors.norm(dim=1)
    return float(norms.std() / norms.mean()) if len(norms) > 1 else float("nan")


def equiangularity(vectors: torch.Tensor) -> float:
    """Mean over pairs of |cos + 1/(C-1)|, for vectors (C, d); 0 at a simplex."""
    cosines = _pair_cosines(vectors)
    return float((cosines + 1 / (len(vectors) - 1)).abs().mean()) if len(cosines) else float("nan")


def cosine_std(vectors: torch.Tensor) -> float:
    """Unbiased std of the cosines over the pairs of vectors (C, d); Papyan's equiangularity."""
    cosines = _pair_cosines(vectors)
    return float(cosines.std()) if len(cosines) > 1 else float("nan")


def _pair_cosines(vectors: torch.Tensor) -> torch.Tensor:
    """Each unordered pair once, (C(C-1)/2,)."""
    unit = functional.normalize(vectors, dim=1, eps=0.0)
    first, second = torch.triu_indices(len(vectors), len(vectors), offset=1)
    return (unit @ unit.T)[first, second]
