"""Samples of one condition around the class means of another (paper, section 3)."""

import numpy as np
import torch

from rnc.metrics.collapse import nc1
from rnc.metrics.collapse_measures_from_literature import nc1_trace_ratio
from rnc.metrics.means_by_class import ClassMeans
from rnc.metrics.scatter_around_means import scatter_around
from rnc.vocabulary import Metric


def cross(
    features: torch.Tensor | np.ndarray, labels: torch.Tensor | np.ndarray, means: ClassMeans
) -> dict[Metric, float]:
    """Return NC1 (divided by C), its ratio of traces and the nearest-centre accuracy around the means (C, d) of other samples.

    Residuals of features (N, d) with labels (N,) are h - mu_c with the given means; Sigma_B also uses the given means.
    A sample whose class has no mean is left out of the scatter and counts as an error of the nearest-centre rule.
    Raises ValueError like `scatter_around`.
    """
    scatter = scatter_around([(features, labels)], means)
    hits = scatter.nearest == torch.as_tensor(labels).to(means.means.device)
    return {
        Metric.NC1: nc1(means, scatter),
        Metric.NC1_TRACE: nc1_trace_ratio(means, scatter),
        Metric.NCC_ACCURACY: float(hits.double().mean()),
    }
