"""Images that torchvision downloads, verifies by checksums and unpacks into the data root."""

import logging
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from rnc.datasets import image_folder, layout
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.file_locks import wait_for_lock
from rnc.vocabulary import Split

_CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
_SECONDS_WITHOUT_ANSWER = 30.0
_LOG = logging.getLogger("rnc.datasets")


_UNPACKED = {
    "mnist": "MNIST/raw",
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
}


def unpacked(spec: DatasetSpec, root: Path) -> str | None:
    """Return the folder of torchvision's files of a data set, without reading them; None if there is none."""
    name = _UNPACKED.get(spec.name)
    return str(root / name) if name and (root / name).is_dir() else None


def arrays(spec: DatasetSpec, split: Split, root: Path, *, download: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, c, h, w) uint8 and labels (N,) int64 of MNIST, FashionMNIST, CIFAR-10 or CIFAR-100.

    Raises DatasetError, with the places searched and a remedy, if they do not exist and cannot be downloaded, or must
    not because of `download=False`.
    """
    with _explained(spec, split, root, download):
        from torchvision import datasets

        with ExitStack() as held:
            if download:
                held.enter_context(_alone(root))
                held.enter_context(_impatient())
            made_by = getattr(datasets, _CLASSES[spec.name])
            found = made_by(str(root), train=split is Split.TRAIN, download=download)
        images, labels = np.asarray(found.data), np.asarray(found.targets, np.int64)
        images = images[:, None] if spec.image_shape[0] == 1 else images.transpose(0, 3, 1, 2)
        if images.shape != (len(labels), *spec.image_shape) or images.dtype != np.uint8:
            raise ValueError(f"images of shape {images.shape} and {len(labels)} labels came out of torchvision's files")
        if set(labels.tolist()) != set(range(spec.num_classes)):
            raise ValueError(f"labels other than 0 to {spec.num_classes - 1} came out of torchvision's files")
        return np.ascontiguousarray(images), labels


def imagenette(spec: DatasetSpec, split: Split, root: Path, *, download: bool = True) -> image_folder.ImageFolder:
    """Return the image folder of ImageNette's 160 px release, downloaded to where `image_folder.find` finds it.

    Raises DatasetError, with the places searched and a remedy, if it cannot be downloaded, or does not exist and must
    not be because of `download=False`.
    """
    with _explained(spec, split, root, download):
        if not download:
            raise FileNotFoundError(f"there is no folder {layout.IMAGENETTE_RELEASE}")
        from torchvision import datasets

        with _alone(root), _impatient():
            if image_folder.find(spec, split, root) is None:
                # Unpacked elsewhere and then renamed, because a partly unpacked archive looks like a complete one.
                aside = root / ".imagenette-download"
                shutil.rmtree(aside / layout.IMAGENETTE_RELEASE, ignore_errors=True)
                datasets.Imagenette(str(aside), size="160px", download=True)
                (aside / layout.IMAGENETTE_RELEASE).rename(root / layout.IMAGENETTE_RELEASE)
                shutil.rmtree(aside, ignore_errors=True)
        found = image_folder.find(spec, split, root)
        if found is None:
            raise ValueError(f"{root / layout.IMAGENETTE_RELEASE} has no images of this split")
        return found


@contextmanager
def _explained(spec: DatasetSpec, split: Split, root: Path, download: bool) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise
    except Exception as error:  # torchvision passes on all errors of network, disk, archive or parsing
        places = " or ".join(str(path) for path in layout.folders(spec, root))
        names = "|".join(layout.split_names(split))
        reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
        if not download:
            raise DatasetError(
                f"the images of {spec.name} {split} are not on this machine: looked in {places} for Parquet files and image "
                f"folders, and in {root} for torchvision's files. Nothing is downloaded unasked; to download them, run "
                f"python -c \"from rnc import datasets; datasets.load('{spec.name}', '{split}')\" in the folder of this "
                f"program, or name the folder that holds them by {layout.ROOT_VARIABLE}"
            ) from error
        raise DatasetError(
            f"no images of {spec.name} {split}. Looked in {places} for Parquet files ({names})-*.parquet and for image "
            f"folders ({names})/CLASS/*.png, then let torchvision look in {root} and download; it failed: {reason}. "
            f"Name the folder that holds one of these by --data-root or {layout.ROOT_VARIABLE}, or connect this machine "
            "to the network; if torchvision's files are damaged, delete them."
        ) from error


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the lock of the root, so that the runs of a sweep download once; continue without it if there can be no lock.

    A read-only root needs no lock, and some network file systems do not support locks.
    """
    with ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((root / ".download.lock").open("w"))
            wait_for_lock(file.fileno())
        except OSError as error:
            _LOG.info("%s is not locked (%s)", root, error)
        yield


@contextmanager
def _impatient() -> Iterator[None]:
    """Set a timeout for servers that do not answer; torchvision would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
