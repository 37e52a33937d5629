"""The user's own data set: a folder with a subfolder per class, Parquet files as on the Hugging Face hub, or an npz file.

`find` inspects it once and determines its properties. `UserImages.reference` is a text from which `datasets.load` finds
the same images again, in any process.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnc.datasets import cache, image_folder, npz_file, parquet_folder, subset
from rnc.datasets.image_set import ImageSet
from rnc.datasets.images import MOST_BYTES, Source, fitted, opened
from rnc.datasets.parts import listed, parts_of
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.safe_paths import UnsafePathError, checked_name
from rnc.vocabulary import OWN_IMAGES, Split

_MOST_SIDE = 4096
_KINDS = "a folder with a subfolder a class, Parquet files, or an npz file"


@dataclass(frozen=True)
class UserImages:
    """The location of the images, and the size and channels to which they are converted."""

    data: Path
    """The training images, or a folder or npz file with both parts."""
    test_data: Path | None
    spec: DatasetSpec

    def to_json(self) -> dict[str, Any]:
        """Return the input of `from_reference`, with absolute paths, because it may be read from another working directory."""
        paths = {"data": self.data, "test_data": self.test_data}
        resolved = {name: None if path is None else str(path.resolve()) for name, path in paths.items()}
        spec = {"name": self.spec.name, "classes": list(self.spec.classes), "image_shape": list(self.spec.image_shape)}
        return resolved | spec

    @property
    def reference(self) -> str:
        """Return a text that `datasets.spec` and `datasets.load` accept as a name."""
        return OWN_IMAGES + json.dumps(self.to_json())

    def splits(self) -> list[Split]:
        """Return the splits that exist; train always does."""
        return [
            split for split in Split if split is Split.TRAIN or _place(self.data, self.test_data, split) is not None
        ]

    def left_out(self) -> list[str]:
        """Return sentences on what lies next to the images and is not used; empty if everything is used."""
        told = _left_out(self.data, False)
        if self.test_data is None:
            return told
        if _place(self.data, None, Split.TEST) is not None:
            told.append(f"the test part of {self.data.name}, for {self.test_data.name} is given")
        return told + _left_out(self.test_data, True)

    def load(self, split: Split) -> ImageSet:
        """Return the images of a split. Raises DatasetError, naming the file, if they are missing, damaged or too many."""
        import torch

        images, labels = (torch.from_numpy(array) for array in _loaded(self.spec, split, self._there(split)))
        return ImageSet(images, labels)

    def pick(self, split: Split, indices: np.ndarray) -> subset.Picked:
        """Return selected images of a split, without torch. Raises DatasetError like `load`, except for images not selected."""
        place = self._there(split)
        if place.encoded:
            return subset.from_source(self.spec, place.source(self.spec), indices)
        return subset.from_arrays(*_loaded(self.spec, split, place), indices)

    def _there(self, split: Split) -> "_Place":
        place = _place(self.data, self.test_data, split)
        if place is None:
            raise DatasetError(f"{self.data} has no {split} images")
        return place


def find(
    data: Path,
    test_data: Path | None = None,
    *,
    name: str = "",
    classes: tuple[str, ...] = (),
    side: int = 0,
    channels: int = 0,
) -> UserImages:
    """Inspect images, and determine their class names, size and channels if not given.

    Class names, in the order of the labels, are those of the subfolders in alphabetical order (as in torchvision's
    ImageFolder), those of the Parquet header, or numbers. Images are resized to `side` pixels on the shorter side and
    cropped at the centre; the default is the shorter side of the first image. Arrays keep their size by default.
    `channels` is 1 or 3 (default: 3, or that of the array). Raises DatasetError if there are no images or fewer than
    two classes.
    """
    if not 0 <= side <= _MOST_SIDE or channels not in (0, 1, 3):
        raise DatasetError(
            f"an image may be 1 to {_MOST_SIDE} pixels wide, of 1 or 3 channels; got {side} and {channels}"
        )
    place = _place(data, test_data, Split.TRAIN)
    assert place is not None
    names = classes or _classes(place)
    repeated = [word for word, count in Counter(names).items() if count > 1]
    if len(names) < 2 or repeated:
        told = f"{repeated[0]} is named twice" if repeated else f"there is only {', '.join(names) or 'none'}"
        raise DatasetError(f"{data}: at least two classes of different names are needed, but {told}")
    shape = _shape(place, side, channels)
    plain = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name or data.stem).strip("._")
    spec = DatasetSpec(plain or "own", tuple(names), shape, (0.0,) * shape[0], (1.0,) * shape[0], any_size=True)
    return UserImages(data, test_data, spec)


def is_reference(name: str) -> bool:
    """Return whether a data set's name was made by `UserImages.reference`."""
    return name.startswith(OWN_IMAGES)


def from_reference(text: str) -> UserImages:
    """Return the images of a reference. Raises DatasetError if it is not valid."""
    try:
        made = json.loads(text.removeprefix(OWN_IMAGES))
        shape, names = tuple(made["image_shape"]), tuple(map(str, made["classes"]))
        if len(shape) != 3 or shape[0] not in (1, 3) or not all(0 < side <= _MOST_SIDE for side in shape[1:]):
            raise ValueError(f"images of shape {shape}")
        test_data = None if made["test_data"] is None else Path(made["test_data"])
        name = checked_name(made["name"], "data set")  # the name becomes part of the cache's file names
        spec = DatasetSpec(name, names, shape, (0.0,) * shape[0], (1.0,) * shape[0], any_size=True)
        return UserImages(Path(made["data"]), test_data, spec)
    except (KeyError, TypeError, ValueError, AttributeError, UnsafePathError) as error:
        raise DatasetError(
            f"a store names images in a way that makes no sense ({error}); measure the network again"
        ) from None


@dataclass(frozen=True)
class _Place:
    """A part of a data set: class folders in a folder, some Parquet files, or an npz file."""

    path: Path
    folders: tuple[Path, ...] = ()
    parquet: tuple[Path, ...] = ()
    split: Split = Split.TRAIN
    """The split inside an npz file."""

    @property
    def encoded(self) -> bool:
        """Return whether it contains encoded images instead of arrays."""
        return bool(self.folders or self.parquet)

    def source(self, spec: DatasetSpec) -> Source:
        """Return the encoded images of a folder or of Parquet files."""
        if self.parquet:
            folder = self.path if self.path.is_dir() else self.path.parent
            return parquet_folder.ParquetFolder(spec, folder, list(self.parquet))
        return image_folder.labelled(spec, self.path, list(self.folders))

    def arrays(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the arrays of an npz file; None for encoded images."""
        return None if self.encoded else npz_file.arrays(self.path, self.split)


def _place(data: Path, test_data: Path | None, split: Split) -> _Place | None:
    """Return the location of a split; None for a test split that does not exist.

    Raises DatasetError with the accepted formats if there are no images.
    """
    if split is Split.TEST and test_data is not None:
        return _place(test_data, None, Split.TEST) or _place(test_data, None, Split.TRAIN)
    try:
        found = _in_folder(data, split) if data.is_dir() else _in_file(data, split)
    except OSError as error:
        raise DatasetError(f"{data} cannot be read ({error}); check its permissions") from error
    if found is None and split is Split.TRAIN:
        raise DatasetError(f"{data}: no images are there; it must be {_KINDS}")
    return found


def _in_file(path: Path, split: Split) -> _Place | None:
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file or folder; it must be {_KINDS}")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1" or path.suffix == ".parquet":
        return _Place(path, parquet=(path,)) if split is Split.TRAIN else None
    if magic[:2] == b"PK" or path.suffix == ".npz":
        return _Place(path, split=split) if split is Split.TRAIN or npz_file.has(path, split) else None
    raise DatasetError(f"{path}: is neither Parquet nor npz; give {_KINDS}")


def _in_folder(folder: Path, split: Split) -> _Place | None:
    part = parts_of(folder).found.get(split)
    return None if part is None else _Place(part.path, part.folders, part.parquet)


def _left_out(data: Path, test_alone: bool) -> list[str]:
    """Return sentences on the unused parts of a folder or file; with `test_alone`, only its test part is used."""
    if not data.is_dir():
        place = _in_file(data, Split.TRAIN)
        if place is None or place.encoded:
            return []
        arrays = npz_file.left_out(data, test_alone=test_alone)
        return [f"arrays {listed(arrays)} in {data.name}"] if arrays else []
    parts = parts_of(data)
    used = [split for split in parts.found if not test_alone or split is Split.TEST] or list(parts.found)
    told = [f"the {split} part of {data.name}" for split in parts.found if split not in used]
    inside = [folder for split in used for folder in parts.found[split].folders]
    return parts.left_out + told + image_folder.left_out(inside)


def _classes(place: _Place) -> tuple[str, ...]:
    if place.folders:
        return tuple(folder.name for folder in place.folders)
    if place.parquet:
        return parquet_folder.written_classes(place.parquet)
    arrays = place.arrays()
    assert arrays is not None
    largest = int(arrays[1].max())
    if not 0 <= largest < len(arrays[1]):
        raise DatasetError(f"{place.path}: the largest label is {largest}; number the classes from 0")
    return tuple(str(label) for label in range(largest + 1))


def _shape(place: _Place, side: int, channels: int) -> tuple[int, int, int]:
    arrays = place.arrays()
    if arrays is not None:
        found = arrays[0].shape[1:]
        return (channels or found[0], side or found[1], side or found[2])
    if not side:
        every = DatasetSpec("first", _classes(place), (3, 1, 1), (), ())
        first = next(iter(place.source(every)), None)
        if first is None:
            raise DatasetError(f"{place.path}: there are no images")
        side = min(opened(first).size)
        if side > _MOST_SIDE:
            raise DatasetError(
                f"{first.place}: the image is larger than {_MOST_SIDE} pixels; name a smaller --image-size"
            )
    return (channels or 3, side, side)


def _loaded(spec: DatasetSpec, split: Split, place: _Place) -> tuple[np.ndarray, np.ndarray]:
    arrays = place.arrays()
    if arrays is None:
        return cache.decoded(spec, split, place.source(spec))
    images, labels = arrays
    present = np.bincount(labels, minlength=spec.num_classes) if _in_range(labels, spec.num_classes) else None
    if present is None:
        raise DatasetError(
            f"{place.path}: labels go from {labels.min()} to {labels.max()}, but there are {spec.num_classes} classes, "
            "numbered from 0"
        )
    absent = [name for name, count in zip(spec.classes, present, strict=True) if not count]
    if absent:
        raise DatasetError(f"{place.path}: no {split} images of {', '.join(absent[:5])}; each class must have some")
    return _resized(spec, images, place), labels


def _in_range(labels: np.ndarray, num_classes: int) -> bool:
    return bool(labels.min() >= 0 and labels.max() < num_classes)


def _resized(spec: DatasetSpec, images: np.ndarray, place: _Place) -> np.ndarray:
    if images.shape[1:] == spec.image_shape:
        return images
    if len(images) * math.prod(spec.image_shape) > MOST_BYTES:
        raise DatasetError(f"{place.path}: at {spec.image_shape} its images are too large to hold; name a smaller size")
    from PIL import Image

    def one(image: np.ndarray, number: int) -> Any:
        picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
        return fitted(spec, picture, f"{place.path}, image {number}")

    return np.stack([one(image, number) for number, image in enumerate(images)])
