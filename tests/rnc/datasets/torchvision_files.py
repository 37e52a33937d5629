"""Small data sets in the binary formats of their authors, as torchvision unpacks them, with checksums that agree."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

_CIFAR = {
    "cifar10": ("CIFAR10", "cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch", "labels"),
    "cifar100": ("CIFAR100", "cifar-100-python", ["train"], "test", "fine_labels"),
}
WNIDS = list(torchvision.datasets.Imagenette._WNID_TO_CLASS)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST: 0, 0, type (8: unsigned bytes), dimensions; the shape, big end first; the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes())


def write_mnist(raw: Path, each: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Train and test of random digits, `each` of a class; images (N, 1, 28, 28) and labels are returned."""
    numbers, written = np.random.default_rng(0), {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = numbers.integers(256, size=(10 * each, 28, 28), dtype=np.uint8)
        labels = numbers.permutation(np.arange(10 * each) % 10).astype(np.uint8)
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images)
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", labels)
        written[split] = images[:, None], labels
    return written


def write_cifar(root: Path, name: str, patch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pickled batches, two images a class; a row is 1,024 red, then green, then blue bytes."""
    kind, folder, train, test, key = _CIFAR[name]
    (root / folder).mkdir(parents=True)
    numbers, classes, written, sums = np.random.default_rng(0), int(name[5:]), {}, {}
    for split, files in (("train", train), ("test", [test])):
        images = numbers.integers(256, size=(2 * classes, 3, 32, 32), dtype=np.uint8)
        labels = numbers.permutation(np.arange(2 * classes) % classes)
        each = len(labels) // len(files)
        for i, file in enumerate(files):
            rows = slice(i * each, (i + 1) * each)
            batch = {"data": images[rows].reshape(each, 3072), key: labels[rows].tolist()}
            (root / folder / file).write_bytes(pickle.dumps(batch))
        written[split] = images, labels
        sums[split] = [[file, md5(root / folder / file)] for file in files]
    cls = getattr(torchvision.datasets, kind)
    (root / folder / cls.meta["filename"]).write_bytes(
        pickle.dumps({cls.meta["key"]: [str(c) for c in range(classes)]})
    )
    patch.setattr(cls, "train_list", sums["train"])
    patch.setattr(cls, "test_list", sums["test"])
    patch.setattr(cls, "meta", cls.meta | {"md5": md5(root / folder / cls.meta["filename"])})
    return written


def imagenette_archive(folder: Path, address: str, patch: pytest.MonkeyPatch) -> Path:
    """Put the release's archive, one JPEG a class and split, into a folder that is served at an address."""
    release, archive = folder / "imagenette2-160", folder / "imagenette2-160.tgz"
    for split in ("train", "val"):
        for label, wnid in enumerate(WNIDS):
            (release / split / wnid).mkdir(parents=True)
            Image.new("RGB", (200, 160), (25 * label, 0, 0)).save(release / split / wnid / f"{wnid}_1.JPEG")
    with tarfile.open(archive, "w:gz") as file:
        file.add(release, release.name)
    archives = {"160px": (f"{address}{archive.name}", md5(archive))}
    patch.setattr(torchvision.datasets.Imagenette, "_ARCHIVES", archives)
    return archive
