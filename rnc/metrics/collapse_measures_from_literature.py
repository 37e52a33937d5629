"""Related collapse measures from the literature, computed from the same statistics (paper, section 3)."""

import numpy as np
import torch
from torch.nn import functional

from rnc.metrics.means_by_class import ClassMeans
from rnc.metrics.row_chunks_and_precision import as_float64, check_finite
from rnc.metrics.scatter_around_means import Scatter
from rnc.vocabulary import Metric


def related_metrics(means: ClassMeans, scatter: Scatter, rows: torch.Tensor) -> dict[Metric, float]:
    """Return CDNV, NC1 as a ratio of traces, GNC2 and UNC3, given the classifier rows (C', d) of the classes present.

    A metric that is undefined for the data (with one class present, or with two equal class means) is NaN.
    """
    return {
        Metric.CDNV: cdnv(means, scatter),
        Metric.NC1_TRACE: nc1_trace_ratio(means, scatter),
        Metric.GNC2: gnc2(means),
        Metric.UNC3: unc3(means, rows),
    }


def cdnv(means: ClassMeans, scatter: Scatter) -> float:
    """Return the class-distance normalised variance (Galanti et al. 2021).

    It is the mean over pairs of (v_c + v_c') / (2 norm(mu_c - mu_c')^2), with v_c the mean (not the unbiased estimate)
    of the squared distances to mu_c.
    """
    variances = scatter.per_class[means.present_classes]
    first, second = _pairs(means)
    squared = functional.pdist(means.centred[means.present_classes]).square()  # needs no array of pairs x d numbers
    ratios = (variances[first] + variances[second]) / (2 * squared)
    return float(ratios.mean()) if len(ratios) and bool((squared > 0).all()) else float("nan")


def nc1_trace_ratio(means: ClassMeans, scatter: Scatter) -> float:
    """Return Tr(Sigma_W) / Tr(Sigma_B) (Tirer et al. 2023)."""
    between = float(means.centred[means.present_classes].square().sum(1).mean())
    return scatter.total / between if between > 0 else float("nan")


def gnc2(means: ClassMeans) -> float:
    """Return the variance over pairs of log(1 / norm(u_c - u_c')), u_c the normalised centred mean (Liu et al. 2023).

    It is 0 for a simplex. The variance is unbiased over unordered pairs, and NaN for fewer than three classes.
    """
    unit = functional.normalize(means.centred[means.present_classes], dim=1, eps=0.0)
    logs = -functional.pdist(unit).log()
    return float(logs.var()) if len(logs) > 1 else float("nan")


def unc3(means: ClassMeans, rows: torch.Tensor) -> float:
    """Return the unbiased variance over the classes present of cos(w_c, mu_c - mu_G), w_c from rows (C', d) (Liu et al. 2023)."""
    cosines = functional.cosine_similarity(rows, means.centred[means.present_classes], dim=1, eps=0.0)
    return float(cosines.var()) if len(cosines) > 1 else float("nan")


def nc5(means: ClassMeans, ood_mean: torch.Tensor | np.ndarray) -> float:
    """Return NC5, the mean over classes of |cos(mu_c, m)| (Ammar et al. 2024).

    m = `ood_mean` (d,) is the mean feature of another data set. Raises ValueError for a mean that is not finite.
    """
    centres = means.means[means.present_classes]
    outside = as_float64(ood_mean).to(means.means.device)
    check_finite(outside, "features of the other data set")
    return float(functional.cosine_similarity(centres, outside[None], dim=1, eps=0.0).abs().mean())


def _pairs(means: ClassMeans) -> torch.Tensor:
    """Return the positions (2, C'(C'-1)/2) of each unordered pair of classes present, in the order of `pdist`."""
    count = len(means.present_classes)
    return torch.triu_indices(count, count, offset=1, device=means.means.device)
