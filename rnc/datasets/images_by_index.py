"""Selected images of a data set by their indices: only these are decoded, and torch is not needed."""

from dataclasses import dataclass

import numpy as np

from rnc.datasets.decoding import ImageSource, decode_image
from rnc.datasets.specs import DatasetError, DatasetSpec


@dataclass(frozen=True)
class ImageSubset:
    """Images (n, c, h, w) uint8 in 0..levels and labels (n,), in the order of the requested indices."""

    images: np.ndarray
    labels: np.ndarray
    count: int
    """The number N of images in the split."""
    levels: int = 255
    """The byte that represents a pixel of 1."""

    def pixels(self) -> np.ndarray:
        """Return the images as float32 in [0, 1]."""
        return self.images.astype(np.float32) / self.levels


def from_arrays(images: np.ndarray, labels: np.ndarray, indices: np.ndarray, levels: int = 255) -> ImageSubset:
    """Select images from arrays (N, c, h, w) and (N,). Raises DatasetError if an index is too large."""
    _check_indices(indices, len(labels), "the data set")
    return ImageSubset(images[indices], labels[indices], len(labels), levels)


def from_source(spec: DatasetSpec, source: ImageSource, indices: np.ndarray) -> ImageSubset:
    """Select from encoded images. Raises DatasetError for an index that is too large, and for a damaged selected image."""
    count = len(source)
    _check_indices(indices, count, str(source))
    positions, inverse = np.unique(indices, return_inverse=True)
    images, labels = np.empty((len(positions), *spec.image_shape), np.uint8), np.empty(len(positions), np.int64)
    for row, encoded in enumerate(source.select(positions)):
        images[row], labels[row] = decode_image(spec, encoded), encoded.label
    return ImageSubset(images[inverse], labels[inverse], count)


def _check_indices(indices: np.ndarray, count: int, source: str) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < count:
        raise DatasetError(
            f"{source} has {count} images, but image number {indices.max()} was requested; check that none are missing"
        )
