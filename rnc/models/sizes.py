"""How networks fit images and machines: channel counts times a width, and where an image counts as large."""

import math

from rnc.datasets import DatasetSpec

_LARGE = 64  # pixels; from here on a network shrinks the image once more, as for ImageNette's 160


def channels(base: int, width: float) -> int:
    """A channel count of the full network, times `width`; at least 1. Raises ValueError for a width that is no factor."""
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"width must be a finite number > 0, got {width}; 1 is the full network, 0.25 a narrow one")
    return max(round(base * width), 1)


def is_large(spec: DatasetSpec) -> bool:
    """Whether the images are far larger than CIFAR's 32 px."""
    return min(spec.image_shape[1:]) >= _LARGE
