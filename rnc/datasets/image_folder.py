"""Images as files, a folder a class: `{root}/{folder}/{split}/{class}/*.png`, and JPEG and WebP likewise."""

from collections.abc import Iterator
from pathlib import Path

from rnc.datasets import layout
from rnc.datasets.images import EncodedImage
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
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DatasetError(f"{path}: cannot be read ({error}); check its permissions") from error
            yield EncodedImage(content, label, str(path))


def find(spec: DatasetSpec, split: Split, root: Path) -> ImageFolder | None:
    """The image folder of a split, if there is one.

    Raises DatasetError where a class folder is no class of the data set, or the same as another, and where a class
    has no images.
    """
    for folder in layout.folders(spec, root):
        for name in layout.split_names(split):
            found = _class_folders(folder / name)
            if found:
                return ImageFolder(folder / name, _labelled(spec, folder / name, found))
    return None


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _labelled(spec: DatasetSpec, folder: Path, class_folders: list[Path]) -> dict[Path, int]:
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
    return labels
