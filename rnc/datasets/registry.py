"""The registry of data sets, and access to their images. Whole sets are held as bytes; a model normalises inside."""

import logging
from pathlib import Path

import numpy as np

from rnc.datasets import (
    allowed_folders,
    cache,
    custom,
    digits,
    image_folder,
    images_by_index,
    native_files,
    parquet_folder,
    torchvision_download,
)
from rnc.datasets.custom import CustomImages
from rnc.datasets.decoding import ImageSource
from rnc.datasets.folder_names import ROOT_VARIABLE, data_root
from rnc.datasets.image_set import ImageSet
from rnc.datasets.images_by_index import ImageSubset
from rnc.datasets.specs import SPECS, DatasetError, DatasetSpec
from rnc.vocabulary import OWN_IMAGES, Split

__all__ = ["DatasetError", "DatasetSpec", "data_root", "load", "load_subset", "names", "spec"]
_LOG = logging.getLogger("rnc.datasets")


def names() -> list[str]:
    """Return the names of the data sets."""
    return sorted(SPECS)


def spec(name: str) -> DatasetSpec:
    """Return the spec of a data set, or of a `CustomImages.reference`. Raises ValueError with the known names."""
    dataset = _find(name)
    return dataset.spec if isinstance(dataset, CustomImages) else dataset


def load(name: str, split: Split, root: Path | None = None, *, download: bool = True) -> ImageSet:
    """Return the images and labels of one split, on the CPU, from the first source under `data_root(root)` that has them.

    The sources are Parquet files, then an image folder, then torchvision's files, which are downloaded if missing (with
    `download=False` they must exist); the logger `rnc.datasets` reports the source. Digits come with scikit-learn, and
    a `CustomImages.reference` contains its own location (in a folder that `allowed_folders` allows). Raises ValueError for
    an unknown name and DatasetError, with a remedy, for images that are missing or damaged.
    """
    split = Split(split)
    dataset = _find(name)
    if isinstance(dataset, CustomImages):
        allowed_folders.refuse_unless_allowed(dataset)
        return dataset.load(split)
    if dataset.name == "digits":
        return _image_set(digits.load(split), digits.LEVELS)
    root = data_root(root)
    source = _encoded_source(dataset, split, root, download)
    if source is None:
        downloaded = ", downloaded if missing" if download else ""
        _LOG.info("%s %s: torchvision's files in %s%s", dataset.name, split, root, downloaded)
        return _image_set(torchvision_download.load_arrays(dataset, split, root, download=download))
    _LOG.info("%s %s: %s", dataset.name, split, source)
    return _image_set(cache.load_decoded(dataset, split, source))


def load_subset(name: str, split: Split, indices: np.ndarray, root: Path | None = None) -> ImageSubset:
    """Return selected images of a split by their indices (n,), from local files only; torch is not loaded.

    The sources are those of `load`, in its order. Raises ValueError for an unknown name and DatasetError with a remedy.
    """
    split, root = Split(split), data_root(root)
    dataset = _find(name)
    if isinstance(dataset, CustomImages):
        allowed_folders.refuse_unless_allowed(dataset)
        return dataset.load_subset(split, indices)
    if dataset.name == "digits":
        return images_by_index.from_arrays(*digits.load(split), indices, digits.LEVELS)
    for module in (parquet_folder, image_folder):
        source: ImageSource | None = module.find(dataset, split, root)
        if source is not None:
            return images_by_index.from_source(dataset, source, indices)
    arrays = native_files.load_arrays(dataset, split, root)
    if arrays is None:
        raise DatasetError(
            f"there are no images of {dataset.name} {split} in {root}; set {ROOT_VARIABLE} to the folder that contains them"
        )
    return images_by_index.from_arrays(*arrays, indices)


def _find(name: str) -> DatasetSpec | CustomImages:
    """Return the data set that a name stands for: the spec of a known one, or the user's own images."""
    if name in SPECS:
        return SPECS[name]
    if not name.startswith(OWN_IMAGES):
        raise ValueError(f"unknown dataset {name!r}; there are: {', '.join(names())}")
    return custom.from_reference(name)


def _encoded_source(dataset: DatasetSpec, split: Split, root: Path, download: bool) -> ImageSource | None:
    """Return the encoded images of a split; None if torchvision's files contain arrays instead of images."""
    for module in (parquet_folder, image_folder):
        source: ImageSource | None = module.find(dataset, split, root)
        if source is not None:
            return source
    if dataset.name != "imagenette":
        return None
    return torchvision_download.load_imagenette(dataset, split, root, download=download)


def _image_set(arrays: tuple[np.ndarray, np.ndarray], levels: int = 255) -> ImageSet:
    import torch  # imported here, because the dashboard picks images without torch

    images, labels = (torch.from_numpy(array) for array in arrays)
    return ImageSet(images, labels, levels)
