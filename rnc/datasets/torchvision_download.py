"""Images that torchvision downloads, verifies by checksums and unpacks into the data root."""

import logging
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from rnc.datasets import folder_names, image_folder
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


def unpacked_folder(spec: DatasetSpec, root: Path) -> str | None:
    """Return the folder of torchvision's files of a data set, without reading them; None if there is none."""
    name = _UNPACKED.get(spec.name)
    return str(root / name) if name and (root / name).is_dir() else None


def load_arrays(spec: DatasetSpec, split: Split, root: Path, *, download: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, c, h, w) uint8 and labels (N,) int64 of MNIST, FashionMNIST, CIFAR-10 or CIFAR-100.

    Raises DatasetError, with the places searched and a remedy, if they do not exist and cannot be downloaded, or must
    not because of `download=False`.
    """
    with _explain_errors(spec, split, root, download):
        from torchvision import datasets

        with ExitStack() as stack:
            if download:
                stack.enter_context(_download_lock(root))
                stack.enter_context(_socket_timeout())
            dataset_class = getattr(datasets, _CLASSES[spec.name])
            dataset = dataset_class(str(root), train=split is Split.TRAIN, download=download)
        images, labels = np.asarray(dataset.data), np.asarray(dataset.targets, np.int64)
        images = images[:, None] if spec.image_shape[0] == 1 else images.transpose(0, 3, 1, 2)
        if images.shape != (len(labels), *spec.image_shape) or images.dtype != np.uint8:
            raise ValueError(f"torchvision's files contain images of shape {images.shape} and {len(labels)} labels")
        if set(labels.tolist()) != set(range(spec.num_classes)):
            raise ValueError(f"torchvision's files contain labels other than 0 to {spec.num_classes - 1}")
        return np.ascontiguousarray(images), labels


def load_imagenette(spec: DatasetSpec, split: Split, root: Path, *, download: bool = True) -> image_folder.ImageFolder:
    """Return the image folder of ImageNette's 160 px release, downloaded to where `image_folder.find` finds it.

    Raises DatasetError, with the places searched and a remedy, if it cannot be downloaded, or does not exist and must
    not be because of `download=False`.
    """
    with _explain_errors(spec, split, root, download):
        if not download:
            raise FileNotFoundError(f"there is no folder {folder_names.IMAGENETTE_RELEASE}")
        from torchvision import datasets

        with _download_lock(root), _socket_timeout():
            if image_folder.find(spec, split, root) is None:
                # Unpacked elsewhere and then renamed, because a partly unpacked archive looks like a complete one.
                temporary = root / ".imagenette-download"
                shutil.rmtree(temporary / folder_names.IMAGENETTE_RELEASE, ignore_errors=True)
                datasets.Imagenette(str(temporary), size="160px", download=True)
                (temporary / folder_names.IMAGENETTE_RELEASE).rename(root / folder_names.IMAGENETTE_RELEASE)
                shutil.rmtree(temporary, ignore_errors=True)
        folder = image_folder.find(spec, split, root)
        if folder is None:
            raise ValueError(f"{root / folder_names.IMAGENETTE_RELEASE} has no images of this split")
        return folder


@contextmanager
def _explain_errors(spec: DatasetSpec, split: Split, root: Path, download: bool) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise
    except Exception as error:  # torchvision passes on all errors of network, disk, archive or parsing
        folders = " or ".join(str(path) for path in folder_names.candidate_folders(spec, root))
        names = "|".join(folder_names.split_names(split))
        reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
        if not download:
            raise DatasetError(
                f"the images of {spec.name} {split} are not on this machine: there are no Parquet files or image folders in "
                f"{folders}, and no files of torchvision in {root}. The app downloads nothing by itself. To download them, run "
                f"python -c \"from rnc import datasets; datasets.load('{spec.name}', '{split}')\" in the folder of this "
                f"program, or set {folder_names.ROOT_VARIABLE} to the folder that contains them"
            ) from error
        raise DatasetError(
            f"there are no images of {spec.name} {split}. {folders} has neither Parquet files ({names})-*.parquet nor image "
            f"folders ({names})/CLASS/*.png, and torchvision could not find them in {root} or download them: {reason}. "
            f"Give the folder that contains them with --data-root or {folder_names.ROOT_VARIABLE}, or connect this machine "
            "to the network; if torchvision's files are damaged, delete them."
        ) from error


@contextmanager
def _download_lock(root: Path) -> Iterator[None]:
    """Hold the lock of the root, so that the runs of a sweep download once; continue without it if there can be no lock.

    A read-only root needs no lock, and some network file systems do not support locks.
    """
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((root / ".download.lock").open("w"))
            wait_for_lock(file.fileno())
        except OSError as error:
            _LOG.info("%s cannot be locked (%s); continuing without a lock", root, error)
        yield


@contextmanager
def _socket_timeout() -> Iterator[None]:
    """Set a timeout for servers that do not answer; torchvision would wait forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
