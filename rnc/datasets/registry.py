"""The registry of data sets, and access to their images. Whole sets are held as bytes; a model normalises inside."""

import logging
from pathlib import Path

import numpy as np

from rnc.datasets import (
    cache,
    custom,
    digits,
    image_folder,
    image_folders,
    native_files,
    parquet_folder,
    specs,
    subset,
    torchvision_download,
)
from rnc.datasets.image_set import ImageSet
from rnc.datasets.images import Source
from rnc.datasets.layout import ROOT_VARIABLE, data_root
from rnc.datasets.specs import DatasetError, DatasetSpec, names
from rnc.datasets.subset import Picked
from rnc.vocabulary import Split

__all__ = ["DatasetError", "DatasetSpec", "data_root", "load", "names", "pick", "spec"]
_LOG = logging.getLogger("rnc.datasets")


def spec(name: str) -> DatasetSpec:
    """Return the spec of a data set, or of an `UserImages.reference`. Raises ValueError with the known names."""
    return custom.from_reference(name).spec if custom.is_reference(name) else specs.spec(name)


def load(name: str, split: Split, root: Path | None = None, *, download: bool = True) -> ImageSet:
    """Return the images and labels of one split, on the CPU, from the first source under `data_root(root)` that has them.

    The sources are Parquet files, then an image folder, then torchvision's files, which are downloaded if missing (with
    `download=False` they must exist); the logger `rnc.datasets` reports the source. Digits come with scikit-learn, and
    an `UserImages.reference` contains its own location (in a folder that `image_folders` allows). Raises ValueError for
    an unknown name and DatasetError, with a remedy, for images that are missing or damaged.
    """
    split = Split(split)
    if custom.is_reference(name):
        return _readable(name).load(split)
    found = spec(name)
    if name == "digits":
        return _image_set(digits.load(split), digits.LEVELS)
    root = data_root(root)
    source = _source(found, split, root, download)
    if source is None:
        _LOG.info(
            "%s %s: torchvision's files in %s%s", name, split, root, ", downloaded if missing" if download else ""
        )
        return _image_set(torchvision_download.arrays(found, split, root, download=download))
    _LOG.info("%s %s: %s", name, split, source)
    return _image_set(cache.decoded(found, split, source))


def pick(name: str, split: Split, indices: np.ndarray, root: Path | None = None) -> Picked:
    """Return selected images of a split by their indices (n,), from local files only; torch is not loaded.

    The sources are those of `load`, in its order. Raises ValueError for an unknown name and DatasetError with a remedy.
    """
    split, root = Split(split), data_root(root)
    if custom.is_reference(name):
        return _readable(name).pick(split, indices)
    found = spec(name)
    if name == "digits":
        return subset.from_arrays(*digits.load(split), indices, digits.LEVELS)
    for kind in (parquet_folder, image_folder):
        source: Source | None = kind.find(found, split, root)
        if source is not None:
            return subset.from_source(found, source, indices)
    arrays = native_files.arrays(found, split, root)
    if arrays is None:
        raise DatasetError(f"no images of {name} {split} in {root}; name the folder that holds them by {ROOT_VARIABLE}")
    return subset.from_arrays(*arrays, indices)


def _readable(reference: str) -> custom.UserImages:
    """Return the user's own images. Raises DatasetError if a store names a folder that is not allowed."""
    images = custom.from_reference(reference)
    image_folders.check(images)
    return images


def _source(found: DatasetSpec, split: Split, root: Path, download: bool) -> Source | None:
    """Return the encoded images of a split; None if torchvision's files contain arrays instead of images."""
    for kind in (parquet_folder, image_folder):
        source: Source | None = kind.find(found, split, root)
        if source is not None:
            return source
    if found.name != "imagenette":
        return None
    return torchvision_download.imagenette(found, split, root, download=download)


def _image_set(arrays: tuple[np.ndarray, np.ndarray], levels: int = 255) -> ImageSet:
    import torch  # imported here, because the dashboard picks images without torch

    images, labels = (torch.from_numpy(array) for array in arrays)
    return ImageSet(images, labels, levels)
