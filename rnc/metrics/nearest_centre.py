"""The nearest-class-centre rule: decide for the class whose mean is closest (paper, section 3)."""

import numpy as np
import torch

from rnc.metrics.class_statistics import ClassMeans, as_float64


def nearest_centre(features: torch.Tensor | np.ndarray, means: ClassMeans) -> torch.Tensor:
    """argmin over the present classes of the distance from h (N, d) to the class mean, as classes (N,)."""
    # norm(h - mu)^2 = norm(h)^2 - 2 (h.mu - norm(mu)^2 / 2): one matmul ranks the centres. Centring first keeps digits.
    h = as_float64(features) - means.global_mean
    centres = means.centred[means.present]
    return means.present[(h @ centres.T - centres.square().sum(1) / 2).argmax(1)]
