"""Images as files, a folder a class: `{root}/{folder}/{split}/{class}/*.png`, and JPEG and WebP likewise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rnc.datasets import layout
from rnc.datasets.images import MOST_ENCODED_BYTES, EncodedImage
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Whatever else lies in a class folder is left out."""


class ImageFolder:
    """The images of one split's folder, in the order of class folder and file name."""

    def __init__(self, folder: Path, labels: dict[Path, int]) -> None:
        """Take the files, in order, and their labels."""
        self.folder, self.files = folder, list(labels)
        self._labels = labels

    def __str__(self) -> str:
        """Where they lie."""
        return f"image folder {self.folder}"

    def __len__(self) -> int:
        """N."""
        return len(self.files)

    def __iter__(self) -> Iterator[EncodedImage]:
        """The images. Raises DatasetError, naming the file, where one cannot be read."""
        for path, label in self._labels.items():
            yield EncodedImage(_content(path), label, str(path))

    def some(self, places: np.ndarray) -> Iterator[EncodedImage]:
        """Those at some places (n,). Raises DatasetError, naming the file, where one cannot be read."""
        for place in places:
            path = self.files[place]
            yield EncodedImage(_content(path), self._labels[path], str(path))


def _content(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DatasetError(f"{path}: cannot be read (it is no file); remove it, or check its permissions")
        if path.stat().st_size > MOST_ENCODED_BYTES:
            raise DatasetError(
                f"{path}: is larger than {MOST_ENCODED_BYTES / 2**20:.0f} MB, and is not read; remove it"
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error}); check its permissions") from error


def find(spec: DatasetSpec, split: Split, root: Path) -> ImageFolder | None:
    """The image folder of a split, if there is one.

    Raises DatasetError where a class folder is no class of the data set, or the same as another, and where a class
    has no images.
    """
    for folder in layout.folders(spec, root):
        for name in layout.split_names(split):
            found = class_folders(folder / name)
            if found:
                return labelled(spec, folder / name, found)
    return None


def class_folders(folder: Path) -> list[Path]:
    """The folders in a folder, in the alphabet's order; none where it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def labelled(spec: DatasetSpec, folder: Path, class_folders: list[Path]) -> ImageFolder:
    """The images of class folders. Raises DatasetError as `find` does."""
    labels: dict[Path, int] = {}
    for class_folder in class_folders:
        label = layout.label_of(spec, class_folder.name)
        if label is None:
            raise DatasetError(
                f"{class_folder} is none of {spec.name}'s classes; rename or remove it; "
                f"they are: {', '.join(spec.classes)}"
            )
        if label in labels.values():
            raise DatasetError(f"{folder}: two folders are {spec.classes[label]}; keep one of them")
        files = sorted(class_folder.iterdir())
        labels |= {path: label for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")}
    empty = [name for label, name in enumerate(spec.classes) if label not in set(labels.values())]
    if empty:
        raise DatasetError(
            f"{folder}: no {', '.join(SUFFIXES)} files of {', '.join(empty)}; there must be a folder of each class"
        )
    return ImageFolder(folder, labels)
