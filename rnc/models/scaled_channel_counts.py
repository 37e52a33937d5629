"""Sizes of networks: channel counts times a width, and the threshold of large images."""

import math

from rnc.datasets import DatasetSpec

_LARGE = 64  # pixels; for images of this size and more, networks downsample further, as for ImageNette's 160


def channels(base: int, width: float) -> int:
    """Return a channel count of the full network times `width`; at least 1. Raises ValueError unless 0 < width < infinity."""
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"width must be a finite number > 0, got {width}; 1 is the full network, 0.25 a narrow one")
    return max(round(base * width), 1)


def is_large(spec: DatasetSpec) -> bool:
    """Return whether the images are much larger than CIFAR's 32 px."""
    return min(spec.image_shape[1:]) >= _LARGE
