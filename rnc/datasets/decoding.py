"""Decoding of images (PNG, JPEG, WebP and others) to arrays of bytes, shared by all sources."""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from tqdm import tqdm

from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.vocabulary import Split

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 8 * 2**30
"""Largest size of a decoded split, because whole sets are held in memory."""
MOST_ENCODED_BYTES = 2**28
_MOST_PIXELS = 2**26
"""Largest number of pixels of one image before it is resized: 8192 x 8192."""
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM", "TIFF")
"""The formats that Pillow may decode: some of its other decoders start external programs."""
# Modes with 8 bits per channel. Pillow clips deeper ones to white without a warning.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")


class EncodedImage(NamedTuple):
    """The bytes of an image file, its label, and its location (file and row) for error messages."""

    content: bytes
    label: int
    location: str


class ImageSource(Protocol):
    """Encoded images in a fixed order; `str` gives their location."""

    @property
    def folder(self) -> Path:
        """Return the folder that contains `files`."""

    @property
    def files(self) -> Sequence[Path]:
        """Return all files of the images and labels."""

    def __len__(self) -> int:
        """Return N."""

    def __iter__(self) -> Iterator[EncodedImage]:
        """Yield the images. Raises DatasetError if a file or row is damaged."""

    def select(self, positions: np.ndarray) -> Iterator[EncodedImage]:
        """Yield the images at some increasing positions (n,) in 0..N-1, reading no others. Raises DatasetError likewise."""


def decode(spec: DatasetSpec, split: Split, source: ImageSource) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, c, h, w) uint8 and labels (N,) int64 of a source, showing a progress bar.

    It uses one thread: at 32 px, contention for the interpreter costs as much as a second core gains. Raises
    DatasetError, naming file and row, for a damaged image, a wrong size, and a label that is not a class; and if the
    number of images differs from the announced one, or a class has no images.
    """
    count = len(source)
    if count * math.prod(spec.image_shape) > MOST_BYTES:
        raise DatasetError(
            f"{source}: {count} images of shape {spec.image_shape} need more than the {MOST_BYTES / 2**30:.0f} GiB that a data "
            "set may take; use fewer or smaller images"
        )
    images, labels = np.empty((count, *spec.image_shape), np.uint8), np.empty(count, np.int64)
    num_read = 0
    with tqdm(total=count, desc=f"decoding {spec.name} {split}", unit="image", dynamic_ncols=True) as bar:
        for encoded in source:
            if num_read == count:
                raise DatasetError(_count_error(source, count))
            if not 0 <= encoded.label < spec.num_classes:
                raise DatasetError(
                    f"{encoded.location}: label {encoded.label} is not one of the {spec.num_classes} classes of {spec.name}, "
                    f"which are numbered from 0; correct or replace the file"
                )
            images[num_read], labels[num_read] = decode_image(spec, encoded), encoded.label
            num_read += 1
            bar.update()
    if num_read < count:
        raise DatasetError(_count_error(source, count))
    absent = [name for label, name in enumerate(spec.classes) if not (labels == label).any()]
    if absent:
        raise DatasetError(
            f"{source}: there are no images of {', '.join(absent[:5])}; check that this is all of {spec.name} {split}"
        )
    return images, labels


def _count_error(source: ImageSource, count: int) -> str:
    return f"{source}: there are not {count} images, as announced; copy the files again, unless another program is changing them"


def decode_image(spec: DatasetSpec, encoded: EncodedImage) -> np.ndarray:
    """Return one image (c, h, w) uint8, grey or RGB according to the spec. Raises DatasetError, naming its location."""
    image = open_image_header(encoded)
    try:
        image.load()
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
        raise _unreadable(encoded, error) from error
    if image.mode not in _MODES:
        raise DatasetError(
            f"{encoded.location}: the image has more than 8 bits per channel (mode {image.mode}); save it as 8-bit grey or RGB"
        )
    return fit_to_spec(spec, image, encoded.location)


def open_image_header(encoded: EncodedImage) -> "Image":
    """Return an image of which only the header is read. Raises DatasetError if it is not an image, or is far too large."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
            image: Image.Image = Image.open(io.BytesIO(encoded.content), formats=_FORMATS)
    except Exception as error:  # many types of errors, as in the decoders
        raise _unreadable(encoded, error) from error
    if image.width * image.height > _MOST_PIXELS:
        raise DatasetError(
            f"{encoded.location}: the image is {image.width}x{image.height} pixels large, and at most {_MOST_PIXELS} are allowed "
            "in all; make it smaller"
        )
    return image


def fit_to_spec(spec: DatasetSpec, image: "Image", location: str) -> np.ndarray:
    """Return an image's bytes (c, h, w), with the spec's channels and size. Raises DatasetError for a wrong size."""
    channels, height, width = spec.image_shape
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = _resize_and_crop(spec, image, location)
    array = np.asarray(image)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)


def _unreadable(encoded: EncodedImage, error: Exception) -> DatasetError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DatasetError(f"{encoded.location}: not a readable image ({reason}); copy or download it again")


def _resize_and_crop(spec: DatasetSpec, image: "Image", location: str) -> "Image":
    """Resize the shorter side and crop the centre, by the rules of torchvision's Resize and CenterCrop."""
    from PIL import Image

    _, height, width = spec.image_shape
    if not spec.any_size:
        raise DatasetError(
            f"{location}: the image is {image.width}x{image.height}, but {spec.name} has {width}x{height}; "
            "check that it belongs to this data set"
        )
    side, longer = min(image.size), max(image.size)
    if side != height:
        longer = int(height * longer / side)
        size = (height, longer) if image.width <= image.height else (longer, height)
        image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))
