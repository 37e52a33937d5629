"""CIFAR and MNIST in their authors' own formats, as stored by torchvision, read without torchvision.

Tested by tests/rnc/datasets/test_images_by_index.py.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

_CIFAR = {
    ("cifar10", Split.TRAIN): ("cifar-10-batches-py", [f"data_batch_{part}" for part in range(1, 6)], "labels"),
    ("cifar10", Split.TEST): ("cifar-10-batches-py", ["test_batch"], "labels"),
    ("cifar100", Split.TRAIN): ("cifar-100-python", ["train"], "fine_labels"),
    ("cifar100", Split.TEST): ("cifar-100-python", ["test"], "fine_labels"),
}
_MNIST = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
_PREFIX = {Split.TRAIN: "train", Split.TEST: "t10k"}
_UNSIGNED_BYTES = 8
_ALLOWED_GLOBALS = {
    ("_reconstruct", "multiarray"),
    ("_frombuffer", "numeric"),
    ("ndarray", "numpy"),
    ("dtype", "numpy"),
    ("encode", "_codecs"),
}
"""The names allowed in a pickled batch, with the last part of their module: those needed for arrays."""


def load_arrays(spec: DatasetSpec, split: Split, root: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Return images (N, c, h, w) uint8 and labels (N,) int64; None if the files do not exist.

    Raises DatasetError, naming the file, if one is damaged.
    """
    if spec.name in _MNIST:
        return _load_mnist(root / _MNIST[spec.name] / "raw", split)
    if (spec.name, split) in _CIFAR:
        return _load_cifar(spec, split, root)
    return None


def _load_mnist(raw: Path, split: Split) -> tuple[np.ndarray, np.ndarray] | None:
    paths = [raw / f"{_PREFIX[split]}-{name}-ubyte" for name in ("images-idx3", "labels-idx1")]
    if not all(path.is_file() for path in paths):
        return None
    images, labels = map(_read_idx, paths)
    return images[:, None], labels.astype(np.int64)


def _read_idx(path: Path) -> np.ndarray:
    """Read an IDX file: 0, 0, the type, the number of dimensions; each length in big-endian order; the bytes."""
    content = path.read_bytes()
    head = 4 + 4 * content[3] if len(content) > 3 else 0
    shape = np.frombuffer(content[4:head], ">u4") if head else np.zeros(0)
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTES]) or len(content) != head + int(np.prod(shape)):
        raise DatasetError(f"{path}: the file is incomplete, or not in MNIST's format; download it again")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape.astype(int))


def _load_cifar(spec: DatasetSpec, split: Split, root: Path) -> tuple[np.ndarray, np.ndarray] | None:
    folder, names, key = _CIFAR[spec.name, split]
    paths = [root / folder / name for name in names]
    if not all(path.is_file() for path in paths):
        return None
    batches = [_read_batch(path, key) for path in paths]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images.reshape(-1, *spec.image_shape), labels


def _read_batch(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a pickled dictionary of `data` (n, 3072) and labels."""
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="latin1").load()
        images, labels = np.asarray(batch["data"], np.uint8), np.asarray(batch[key], np.int64)
    except Exception as error:  # a damaged pickle may raise any error
        raise DatasetError(
            f"{path}: the file cannot be read as a batch of CIFAR ({error}); download it again"
        ) from error
    return images, labels


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler of dictionaries, lists and arrays that cannot execute other code."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few objects that arrays need; old files use numpy.core for what is numpy._core now."""
        if (name, module.rsplit(".", 1)[-1]) not in _ALLOWED_GLOBALS or module.split(".")[0] not in (
            "numpy",
            "_codecs",
        ):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and code in files is not run")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
