"""The nearest-class-centre rule: predict the class whose mean is closest (paper, section 3)."""

import torch

from rnc.metrics.means_by_class import ClassMeans
from rnc.metrics.row_chunks_and_precision import (
    Array,
    Shift,
    check_finite,
    dtype_for_products,
    power_of_two_rescaling_factor,
    row_slices,
)


def nearest_centre(features: Array, means: ClassMeans) -> torch.Tensor:
    """Return the class (N,) of the present class mean with the least distance to each feature h (N, d).

    `scatter_around` finds the same for the means that it uses, without an extra matrix product. Raises ValueError for a
    feature that is not finite.
    """
    h = torch.as_tensor(features).detach()
    for rows in row_slices(h):
        check_finite(torch.stack(torch.aminmax(h[rows])))
    return nearest_centre_unchecked(h, means)


def nearest_centre_unchecked(h: torch.Tensor, means: ClassMeans) -> torch.Tensor:
    """Return `nearest_centre` of features (N, d) that are known to be finite, without making a GPU wait."""
    # norm(h - mu)^2 = norm(h)^2 - 2 (h.mu - norm(mu)^2 / 2): one matmul ranks the centres. Centring first keeps precision,
    # and scaling by a power of two keeps the squares in the range of float32.
    dtype = dtype_for_products(h)
    parts = list(row_slices(h))
    scale = power_of_two_rescaling_factor(means.means[means.present_classes], *(h[rows] for rows in parts[:1]))
    centres = means.centred[means.present_classes] * scale
    centred, half = Shift(means.global_mean[None], dtype, scale), (centres.square().sum(1) / 2).to(dtype)
    origin, centres = torch.zeros(len(h), dtype=torch.int64, device=h.device), centres.to(dtype)
    nearest = [torch.addmm(-half, centred(h[rows], origin[rows]), centres.T).argmax(1) for rows in parts]
    return means.present_classes[torch.cat([origin[:0], *nearest])]
