"""Pictures of images before and after an attack, and of their difference.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

import base64
import io

import numpy as np
from PIL import Image

_GAP_SHARE = 8  # a gap is an eighth of an image wide
_JPEG = {"quality": 85, "subsampling": 0}
"""Settings for small images: half the bytes of a PNG in a fifth of the time, as accurate as a PNG of 64 colours."""


def image_strip(images: np.ndarray, cell: int = 96) -> np.ndarray:
    """Place images (n, c, h, w) in [0, 1] side by side, enlarged without smoothing, as (height, width, 4) uint8.

    The gaps between the images are transparent.
    """
    factor = max(cell // images.shape[-1], 1)
    colour = np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images
    opaque = np.concatenate([colour, np.ones_like(colour[:, :1])], axis=1)
    large = opaque.repeat(factor, axis=2).repeat(factor, axis=3)
    padded = np.pad(large, ((0, 0), (0, 0), (0, 0), (0, large.shape[-1] // _GAP_SHARE)))
    strip = np.concatenate(list(padded), axis=2).transpose(1, 2, 0)
    return (strip.clip(0, 1) * 255).round().astype(np.uint8)


def strip_of_amplified_perturbations(
    clean: np.ndarray, perturbed: np.ndarray, epsilon: float, cell: int = 96
) -> np.ndarray:
    """Return the perturbations as a strip: grey is 0, black and white are the largest change, which is at least epsilon / 10."""
    delta = perturbed - clean
    largest = max(float(np.abs(delta).max(initial=0.0)), epsilon / 10)
    return image_strip(0.5 + delta / (2 * largest), cell)


def clean_perturbed_and_difference_strips(
    clean: np.ndarray, perturbed: np.ndarray, epsilon: float, cell: int = 96
) -> np.ndarray:
    """Return three stacked strips: clean (n, c, h, w), perturbed, and perturbations; (height, width, 4) uint8."""
    strips = [
        image_strip(clean, cell),
        image_strip(perturbed, cell),
        strip_of_amplified_perturbations(clean, perturbed, epsilon, cell),
    ]
    gap = np.zeros((strips[0].shape[0] // _GAP_SHARE, *strips[0].shape[1:]), np.uint8)
    return np.concatenate([strips[0], gap, strips[1], gap, strips[2]])


def png(picture: np.ndarray) -> bytes:
    """Return a picture (height, width, 4) uint8 as a PNG file."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, format="PNG")
    return content.getvalue()


def small_file(image: np.ndarray, side: int) -> tuple[bytes, str]:
    """Return an image (c, h, w) uint8 as a file with no side longer than `side`, and its media type: grey as PNG, else JPEG."""
    picture = _picture(image)
    if max(picture.size) > side:
        picture.thumbnail((side, side))
    if len(image) == 1:
        return _encoded(picture), "image/png"
    return _encoded(picture, "JPEG", **_JPEG), "image/jpeg"


def full_png(image: np.ndarray) -> bytes:
    """Return an image (c, h, w) uint8 as a PNG without loss of pixels or colours."""
    return _encoded(_picture(image))


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def _encoded(picture: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, format=kind, **options)
    return content.getvalue()


def data_uri(content: bytes) -> str:
    """Return a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
