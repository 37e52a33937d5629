"""A cache of decoded images on disk, so that a data set is decoded only once. The folder may be deleted at any time."""

import hashlib
import logging
import os
import uuid
from pathlib import Path

import numpy as np

from rnc.atomic_files import atomic_file
from rnc.datasets.decoding import ImageSource, decode
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

CACHE_VARIABLE = "RNC_CACHE"
DEFAULT_CACHE = Path("data/cache")
_LOG = logging.getLogger("rnc.datasets")
_VERSION = 1  # version of the decoding; a new number makes all caches be decoded again


def cache_folder() -> Path:
    """Return the folder of decoded images: the environment variable RNC_CACHE, or data/cache."""
    return Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE)


def load_decoded(spec: DatasetSpec, split: Split, source: ImageSource) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, c, h, w) uint8 and labels (N,) int64 of a source, from the cache if possible, else decoded.

    Raises DatasetError like `images.decode`. A cache that cannot be read or written costs time and is not an error.
    """
    path = cache_folder() / f"{spec.name}-{split}-{_key(spec, split, source)}.npz"
    arrays = _read(path, spec)
    if arrays is None:
        arrays = decode(spec, split, source)
        _write(path, *arrays)
    return arrays


def _key(spec: DatasetSpec, split: Split, source: ImageSource) -> str:
    """Return a hash of all that determines the arrays; a file is identified by its relative path, size and modification time."""
    try:
        stats = [(path.relative_to(source.folder).as_posix(), path.stat()) for path in source.files]
    except OSError as error:  # such as a broken link
        raise DatasetError(f"{source}: a file cannot be found ({error}); copy or download it again") from error
    files = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    determinants = (_VERSION, spec.name, spec.image_shape, spec.classes, str(split), files)
    return hashlib.sha256(repr(determinants).encode()).hexdigest()[:16]


def _read(path: Path, spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the arrays of a cache file, after a check of its checksums by zipfile; None if it is absent or damaged."""
    try:
        with np.load(path) as archive:
            images, labels = archive["images"], archive["labels"]
    except FileNotFoundError:
        return None
    except Exception as error:  # a flipped bit may look like a password, a method or an endless header
        _LOG.warning("the cache file %s cannot be read (%s); the images are decoded again", path, error)
        return None
    if images.shape != (len(labels), *spec.image_shape) or images.dtype != np.uint8 or labels.dtype != np.int64:
        _LOG.warning("the cache file %s does not contain these images; they are decoded again", path)
        return None
    return images, labels


def _write(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write the decoded images, or log a warning if that fails; several processes may do so at the same time."""
    try:
        with atomic_file(path, f".{uuid.uuid4().hex}.tmp") as file:
            np.savez(file, images=images, labels=labels)
    except OSError as error:
        _LOG.warning(
            "the decoded images could not be saved (%s) and will be decoded again next time; "
            "free space in %s, or set %s to another folder",
            error,
            path.parent,
            CACHE_VARIABLE,
        )
