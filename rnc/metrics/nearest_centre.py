"""The nearest-class-centre rule: decide for the class whose mean is closest (paper, section 3)."""

import torch

from rnc.metrics.class_statistics import ClassMeans
from rnc.metrics.streaming import Array, Shift, row_slices, working_dtype


def nearest_centre(features: Array, means: ClassMeans) -> torch.Tensor:
    """argmin over the present classes of the distance from h (N, d) to the class mean, as classes (N,).

    `scatter_around` finds the same around the means that it measures by, with no product of its own.
    """
    # norm(h - mu)^2 = norm(h)^2 - 2 (h.mu - norm(mu)^2 / 2): one matmul ranks the centres. Centring first keeps digits.
    h = torch.as_tensor(features).detach()
    dtype = working_dtype(h)
    centres = means.centred[means.present]
    centred, half = Shift(means.global_mean[None], dtype), (centres.square().sum(1) / 2).to(dtype)
    origin, centres = torch.zeros(len(h), dtype=torch.int64, device=h.device), centres.to(dtype)
    found = [torch.addmm(-half, centred(h[rows], origin[rows]), centres.T).argmax(1) for rows in row_slices(h)]
    return means.present[torch.cat([origin[:0], *found])]
