"""Selected images of a data set by their indices: only these are decoded, and torch is not needed."""

from dataclasses import dataclass

import numpy as np

from rnc.datasets.images import Source, decode_image
from rnc.datasets.specs import DatasetError, DatasetSpec


@dataclass(frozen=True)
class Picked:
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


def from_arrays(images: np.ndarray, labels: np.ndarray, indices: np.ndarray, levels: int = 255) -> Picked:
    """Select from arrays (N, c, h, w) and (N,). Raises DatasetError if an index is too large."""
    _check(indices, len(labels), "the data set")
    return Picked(images[indices], labels[indices], len(labels), levels)


def from_source(spec: DatasetSpec, source: Source, indices: np.ndarray) -> Picked:
    """Select from encoded images. Raises DatasetError for an index that is too large, and for a damaged selected image."""
    count = len(source)
    _check(indices, count, str(source))
    places, again = np.unique(indices, return_inverse=True)
    images, labels = np.empty((len(places), *spec.image_shape), np.uint8), np.empty(len(places), np.int64)
    for at, encoded in enumerate(source.some(places)):
        images[at], labels[at] = decode_image(spec, encoded), encoded.label
    return Picked(images[again], labels[again], count)


def _check(indices: np.ndarray, count: int, where: str) -> None:
    if len(indices) and not 0 <= indices.min() <= indices.max() < count:
        raise DatasetError(f"{where} has {count} images, but number {indices.max()} is asked for; is it a part of it?")
