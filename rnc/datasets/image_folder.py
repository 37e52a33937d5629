"""Images as files, one folder per class: `{root}/{folder}/{split}/{class}/**/*.png`, in all formats of torchvision."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnc.datasets import folder_names
from rnc.datasets.decoding import MOST_ENCODED_BYTES, EncodedImage
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".jfif")
"""The suffixes of torchvision's ImageFolder, and .jfif. Other files in a class folder are left out."""
_LISTED = 6


class ImageFolder:
    """The images of one split's folder, in the order of class folder and file name."""

    def __init__(self, folder: Path, labels: dict[Path, int]) -> None:
        """Store the files, in order, and their labels."""
        self.folder, self.files = folder, list(labels)
        self._labels = labels

    def __str__(self) -> str:
        """Return their location."""
        return f"image folder {self.folder}"

    def __len__(self) -> int:
        """Return N."""
        return len(self.files)

    def __iter__(self) -> Iterator[EncodedImage]:
        """Yield the images. Raises DatasetError, naming the file, if one cannot be read."""
        for path, label in self._labels.items():
            yield EncodedImage(_read_bytes(path), label, str(path))

    def select(self, positions: np.ndarray) -> Iterator[EncodedImage]:
        """Yield the images at some positions (n,). Raises DatasetError, naming the file, if one cannot be read."""
        for position in positions:
            path = self.files[position]
            yield EncodedImage(_read_bytes(path), self._labels[path], str(path))


def _read_bytes(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DatasetError(f"{path}: cannot be read, because it is not a regular file; remove it")
        if path.stat().st_size > MOST_ENCODED_BYTES:
            raise DatasetError(
                f"{path}: is larger than the limit of {MOST_ENCODED_BYTES / 2**20:.0f} MB; remove it, or make it smaller"
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error}); check its permissions") from error


def find(spec: DatasetSpec, split: Split, root: Path) -> ImageFolder | None:
    """Return the image folder of a split, or None if there is none.

    Raises DatasetError if a class folder is not a class of the data set or duplicates another, or if a class has no
    images.
    """
    for folder in folder_names.candidate_folders(spec, root):
        for split_folder in folder_names.split_folders(folder, split):
            subfolders = class_folders(split_folder)
            if subfolders:
                return from_class_folders(spec, split_folder, subfolders)
    return None


def class_folders(folder: Path) -> list[Path]:
    """Return the subfolders in alphabetical order; empty if `folder` is not a folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, in the order of torchvision's ImageFolder, following each link once.

    A folder named like an image is yielded like a file, so that reading it gives a clear error; so is a hidden folder,
    which is not entered. Raises DatasetError for a folder that cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    files_in: list[tuple[str, list[str]]] = []

    def fail(error: OSError) -> None:
        raise DatasetError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error

    for root, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        not_entered = [name for name in folders if name.startswith(".") or Path(name).suffix.lower() in SUFFIXES]
        folders[:] = [name for name in folders if name not in not_entered]
        files_in.append((root, files + not_entered))
    for root, names in sorted(files_in):
        yield from (Path(root) / name for name in sorted(names))


def describe_unused(class_folders: list[Path]) -> list[str]:
    """Return sentences on the files of class folders that are not used, counted by suffix."""
    counts: Counter[str] = Counter()
    for class_folder in class_folders:
        for path in walk_files(class_folder):
            if not _is_image_file(path):
                counts["hidden" if path.name.startswith(".") else path.suffix.lower() or "without a suffix"] += 1
    return [f"files in the class folders that are not images: {_list_counts(counts)}"] if counts else []


def _list_counts(counts: Counter[str]) -> str:
    rest = sum(count for _kind, count in counts.most_common()[_LISTED:])
    counted = [f"{count} {kind}" for kind, count in counts.most_common(_LISTED)]
    return ", ".join(counted + [f"{rest} others"] * bool(rest))


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def from_class_folders(spec: DatasetSpec, folder: Path, class_folders: list[Path]) -> ImageFolder:
    """Return the images of class folders. Raises DatasetError like `find`."""
    labels: dict[Path, int] = {}
    for class_folder in class_folders:
        label = folder_names.label_of(spec, class_folder.name)
        if label is None:
            raise DatasetError(
                f"{class_folder} is not named after a class of {spec.name}; rename or remove it; "
                f"the classes are: {', '.join(spec.classes)}"
            )
        if label in labels.values():
            raise DatasetError(
                f"{folder}: two folders are named after the class {spec.classes[label]}; keep one of them"
            )
        labels |= {path: label for path in walk_files(class_folder) if _is_image_file(path)}
    empty = [name for label, name in enumerate(spec.classes) if label not in set(labels.values())]
    if empty:
        raise DatasetError(
            f"{folder}: there are no {', '.join(SUFFIXES)} files of {', '.join(empty)}; there must be a folder with images "
            "of each class"
        )
    return ImageFolder(folder, labels)
