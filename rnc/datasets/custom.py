"""The user's own data set: a folder with a subfolder per class, Parquet files as on the Hugging Face hub, or an npz file.

`find` inspects it once and determines its properties. `CustomImages.reference` is a text from which `datasets.load` finds
the same images again, in any process.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnc.datasets import cache, images_by_index, parquet_folder
from rnc.datasets.custom_split_files import ImageLocation, describe_unused, locate
from rnc.datasets.decoding import MOST_BYTES, fit_to_spec, open_image_header
from rnc.datasets.image_set import ImageSet
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.safe_paths import UnsafePathError, checked_name
from rnc.vocabulary import OWN_IMAGES, Split

_MOST_SIDE = 4096


@dataclass(frozen=True)
class CustomImages:
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
            split for split in Split if split is Split.TRAIN or locate(self.data, self.test_data, split) is not None
        ]

    def describe_unused(self) -> list[str]:
        """Return sentences on what lies next to the images and is not used; empty if everything is used."""
        unused = describe_unused(self.data, only_test=False)
        if self.test_data is None:
            return unused
        if locate(self.data, None, Split.TEST) is not None:
            unused.append(f"the test images in {self.data.name}, because {self.test_data.name} is given instead")
        return unused + describe_unused(self.test_data, only_test=True)

    def load(self, split: Split) -> ImageSet:
        """Return the images of a split. Raises DatasetError, naming the file, if they are missing, damaged or too many."""
        import torch

        arrays = _load_arrays(self.spec, split, self._location(split))
        images, labels = (torch.from_numpy(array) for array in arrays)
        return ImageSet(images, labels)

    def load_subset(self, split: Split, indices: np.ndarray) -> images_by_index.ImageSubset:
        """Return selected images of a split, without torch. Raises DatasetError like `load`, except for images not selected."""
        location = self._location(split)
        if location.encoded:
            return images_by_index.from_source(self.spec, location.source(self.spec), indices)
        return images_by_index.from_arrays(*_load_arrays(self.spec, split, location), indices)

    def _location(self, split: Split) -> ImageLocation:
        location = locate(self.data, self.test_data, split)
        if location is None:
            raise DatasetError(f"{self.data} has no {split} images; give them with --test-data")
        return location


def find(
    data: Path,
    test_data: Path | None = None,
    *,
    name: str = "",
    classes: tuple[str, ...] = (),
    side: int = 0,
    channels: int = 0,
) -> CustomImages:
    """Inspect images, and determine their class names, size and channels if not given.

    Class names, in the order of the labels, are those of the subfolders in alphabetical order (as in torchvision's
    ImageFolder), those of the Parquet header, or numbers. Images are resized to `side` pixels on the shorter side and
    cropped at the centre; the default is the shorter side of the first image. Arrays keep their size by default.
    `channels` is 1 or 3 (default: 3, or that of the array). Raises DatasetError if there are no images or fewer than
    two classes.
    """
    if not 0 <= side <= _MOST_SIDE or channels not in (0, 1, 3):
        raise DatasetError(
            f"images must be 1 to {_MOST_SIDE} pixels wide and have 1 or 3 channels, got {side} pixels and {channels} channels"
        )
    location = locate(data, test_data, Split.TRAIN)
    assert location is not None
    class_names = classes or _class_names(location)
    repeated = [class_name for class_name, count in Counter(class_names).items() if count > 1]
    if len(class_names) < 2 or repeated:
        problem = (
            f"the name {repeated[0]} occurs twice" if repeated else f"there is only {', '.join(class_names) or 'none'}"
        )
        raise DatasetError(f"{data}: there must be at least two classes with different names, but {problem}")
    shape = _image_shape(location, side, channels)
    letters = (letter if letter.isalnum() or letter in "._" else "_" for letter in name or data.stem)
    safe_name = "".join(letters).strip("._") or "own"
    spec = DatasetSpec(safe_name, tuple(class_names), shape, (0.0,) * shape[0], (1.0,) * shape[0], any_size=True)
    return CustomImages(data, test_data, spec)


def from_reference(text: str) -> CustomImages:
    """Return the images of a `CustomImages.reference`. Raises DatasetError if it is not valid."""
    try:
        entry = json.loads(text.removeprefix(OWN_IMAGES))
        shape, class_names = tuple(entry["image_shape"]), tuple(map(str, entry["classes"]))
        if len(shape) != 3 or shape[0] not in (1, 3) or not all(0 < side <= _MOST_SIDE for side in shape[1:]):
            raise ValueError(f"images of shape {shape}")
        test_data = None if entry["test_data"] is None else Path(entry["test_data"])
        name = checked_name(entry["name"], "data set")  # the name becomes part of the cache's file names
        spec = DatasetSpec(name, class_names, shape, (0.0,) * shape[0], (1.0,) * shape[0], any_size=True)
        return CustomImages(Path(entry["data"]), test_data, spec)
    except (KeyError, TypeError, ValueError, AttributeError, UnsafePathError) as error:
        raise DatasetError(
            f"the description of the images in the store is not valid ({error}); measure the network again"
        ) from None


def _class_names(location: ImageLocation) -> tuple[str, ...]:
    if location.folders:
        return tuple(folder.name for folder in location.folders)
    if location.parquet:
        return parquet_folder.class_names(location.parquet)
    arrays = location.arrays()
    assert arrays is not None
    largest = int(arrays[1].max())
    if not 0 <= largest < len(arrays[1]):
        raise DatasetError(f"{location.path}: the largest label is {largest}; number the classes from 0")
    return tuple(str(label) for label in range(largest + 1))


def _image_shape(location: ImageLocation, side: int, channels: int) -> tuple[int, int, int]:
    arrays = location.arrays()
    if arrays is not None:
        shape = arrays[0].shape[1:]
        return (channels or shape[0], side or shape[1], side or shape[2])
    if not side:
        spec = DatasetSpec("first", _class_names(location), (3, 1, 1), (), ())
        first = next(iter(location.source(spec)), None)
        if first is None:
            raise DatasetError(f"{location.path} contains no images; there must be at least one of each class")
        side = min(open_image_header(first).size)
        if side > _MOST_SIDE:
            raise DatasetError(
                f"{first.location}: the image is larger than {_MOST_SIDE} pixels; choose a smaller size with --image-size"
            )
    return (channels or 3, side, side)


def _load_arrays(spec: DatasetSpec, split: Split, location: ImageLocation) -> tuple[np.ndarray, np.ndarray]:
    arrays = location.arrays()
    if arrays is None:
        return cache.load_decoded(spec, split, location.source(spec))
    images, labels = arrays
    if labels.min() < 0 or labels.max() >= spec.num_classes:
        raise DatasetError(
            f"{location.path}: labels go from {labels.min()} to {labels.max()}, but there are {spec.num_classes} classes, "
            "numbered from 0; correct the labels"
        )
    counts = np.bincount(labels, minlength=spec.num_classes)
    absent = [name for name, count in zip(spec.classes, counts, strict=True) if not count]
    if absent:
        raise DatasetError(
            f"{location.path}: there are no {split} images of {', '.join(absent[:5])}; each class must have at least one"
        )
    return _resize_arrays(spec, images, location), labels


def _resize_arrays(spec: DatasetSpec, images: np.ndarray, location: ImageLocation) -> np.ndarray:
    if images.shape[1:] == spec.image_shape:
        return images
    if len(images) * math.prod(spec.image_shape) > MOST_BYTES:
        raise DatasetError(
            f"{location.path}: images of shape {spec.image_shape} need more memory than is allowed; choose a smaller size "
            "with --image-size"
        )
    from PIL import Image

    def resize(image: np.ndarray, number: int) -> Any:
        picture = Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
        return fit_to_spec(spec, picture, f"{location.path}, image {number}")

    return np.stack([resize(image, number) for number, image in enumerate(images)])
