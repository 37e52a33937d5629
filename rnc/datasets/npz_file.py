"""Images and labels in an npz file: only numbers (no pickle is read), with memory bounded by checks of the headers.

The arrays are `images` (N, h, w), (N, h, w, c) or (N, c, h, w) uint8 and `labels` (N,) integers; or `train_images`,
`train_labels` and `test_images`, `test_labels`; or, as in Keras, `x_train`, `y_train` and `x_test`, `y_test`.

Tested by tests/rnc/datasets/test_custom.py.
"""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rnc.datasets import folder_names
from rnc.datasets.decoding import MOST_BYTES
from rnc.datasets.specs import DatasetError
from rnc.vocabulary import Split

_CHANNELS = (1, 3)
_PAIRS = (("images", "labels"), ("x", "y"))
"""Common names of the arrays of images and of labels, besides the name of the split."""
_MOST_RATIO, _SMALL = 200, 2**26
"""Largest compression ratio that images can plausibly have; it is not checked for arrays of less than 64 MB."""
_LONGEST_HEADER = 10_000


def load_arrays(path: Path, split: Split) -> tuple[np.ndarray, np.ndarray] | None:
    """Return images (N, c, h, w) uint8 and labels (N,) int64 of a split; None if the file has no test part.

    Raises DatasetError, naming the file and the array, if one is damaged, too large, or of another type or shape.
    """
    with _open_archive(path) as archive:
        names = _array_names(archive, split, path)
        if names is None:
            return None
        images, labels = (_read_array(archive, name, path) for name in names)
    if images.dtype != np.uint8:
        raise DatasetError(f"{path}: {names[0]} has the type {images.dtype}; save it as uint8, from 0 to 255")
    if labels.dtype.kind not in "iu":
        raise DatasetError(
            f"{path}: {names[1]} has the type {labels.dtype}, but must be integer; number the classes from 0"
        )
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or images.ndim not in (3, 4) or len(images) != len(labels) or 0 in images.shape:
        raise DatasetError(
            f"{path}: {names[0]} has the shape {images.shape} and {names[1]} {labels.shape}; "
            "there must be at least one image, as (N, h, w), (N, h, w, c) or (N, c, h, w), and one label for each"
        )
    return _channels_first(images, path), labels.astype(np.int64)


def has_split(path: Path, split: Split) -> bool:
    """Return whether there are arrays of a split. Raises DatasetError like `load_arrays`."""
    with _open_archive(path) as archive:
        return _array_names(archive, split, path) is not None


def unused_arrays(path: Path, *, only_test: bool) -> list[str]:
    """Return the names of the arrays that are not used; with `only_test`, only the file's test part is used.

    Raises DatasetError like `load_arrays`.
    """
    with _open_archive(path) as archive:
        names_of = {
            split: _array_names(archive, split, path) for split in Split if split is Split.TEST or not only_test
        }
        if not any(names_of.values()):
            names_of[Split.TRAIN] = _array_names(archive, Split.TRAIN, path)
        used = {name for names in names_of.values() for name in names or ()}
        return sorted({name.removesuffix(".npy") for name in archive.namelist()} - used)


def _channels_first(images: np.ndarray, path: Path) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    if images.shape[3] in _CHANNELS:
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if images.shape[1] in _CHANNELS:
        return images
    raise DatasetError(
        f"{path}: images of shape {images.shape[1:]} have neither 1 nor 3 channels, first or last; save them as grey or RGB"
    )


def _array_names(archive: zipfile.ZipFile, split: Split, path: Path) -> tuple[str, str] | None:
    available = sorted(name.removesuffix(".npy") for name in archive.namelist())
    original_name = {name.lower(): name for name in reversed(available)}
    forms = [form for word in folder_names.split_names(split) for form in (f"{word}_{{}}", f"{{}}_{word}")]
    for form in [*forms, *["{}"] * (split is Split.TRAIN)]:
        for images, labels in _PAIRS:
            if {form.format(images), form.format(labels)} <= set(original_name):
                return original_name[form.format(images)], original_name[form.format(labels)]
    if split is Split.TEST:
        return None
    raise DatasetError(
        f"{path}: there must be arrays images and labels (or train_images and train_labels, or x_train and y_train), but there "
        "are: " + (", ".join(available[:20])[:200] or "none")
    )


def _read_array(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """Return an array, read to the end, so that its checksum is verified."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > MOST_BYTES or entry.file_size > max(_MOST_RATIO * entry.compress_size, _SMALL):
        raise DatasetError(
            f"{path}: {name} would unpack from {entry.compress_size} to {entry.file_size} bytes, more than is allowed; "
            "save fewer images, without compression (numpy.savez)"
        )
    with archive.open(entry) as file:
        shape, fortran, dtype = _read_header(file)
        if dtype.kind not in "biufc":
            raise DatasetError(f"{path}: {name} has the type {dtype}, and objects are not read; save numbers")
        size = math.prod(shape) * dtype.itemsize
        if size > min(MOST_BYTES, entry.file_size):
            raise DatasetError(
                f"{path}: {name} declares the shape {shape}, but has {entry.file_size} bytes; save it again"
            )
        content = file.read(size)
        if len(content) < size or file.read(1):
            raise DatasetError(f"{path}: {name} does not have the shape {shape} that it declares; save it again")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file, _LONGEST_HEADER)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file, _LONGEST_HEADER)
    raise ValueError(f"npy version {version}")


@contextmanager
def _open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DatasetError:
        raise
    except Exception as error:  # a flipped bit may look like a password, a method or an endless header
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DatasetError(f"{path}: not a readable npz file ({reason}); copy it again") from error
