"""Images of samples by address: a browser requests the one that somebody looks at, and a map sends none.

A map offers the samples that it draws and gets an address for them, which contains a random key. Only offered samples are
answered. An image is decoded when it is requested, and kept small in memory.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rnc import datasets
from rnc.ui.charts.images import small_file
from rnc.ui.random_addresses import IMAGES_FOLDER, Offers, add_base_path
from rnc.vocabulary import Split

_SIDE = 48
"""Largest length of an image's longer side in pixels."""
_MOST_KEPT = 4096  # images of about 1 kB
_SECONDS_IN_BROWSER = 3600


@dataclass(frozen=True)
class ImageOrigin:
    """The images of a run's split: the data set, the split, and the folder of the data sets."""

    images_from: str
    split: Split
    root: Path

    def load_checked_images(self, samples: np.ndarray, labels: np.ndarray, count: int | None = None) -> np.ndarray:
        """Return the images (n, c, h, w) uint8 of samples (n,) of a run, with its labels (n,) and number of images, if known.

        Another source of the data set may order its images differently. Raises ValueError if these are not the images of the
        run, and ValueError or OSError if they cannot be read.
        """
        images = datasets.load_subset(self.images_from, self.split, samples, self.root)
        if not np.array_equal(images.labels, labels) or count not in (None, images.count):
            raise ValueError(
                f"the {self.split} images in {self.root} are not those of the run, or are in another order."
            )
        levels = (np.arange(images.levels + 1) * 255 / images.levels).round().astype(np.uint8)
        pixels: np.ndarray = levels[images.images]
        return pixels


@dataclass(frozen=True)
class _Offer:
    """The samples that a map has drawn."""

    origin: ImageOrigin
    samples: bytes
    """The samples (n,) and their labels (n,), as int64."""

    @property
    def labels(self) -> dict[int, int]:
        """The label of each sample."""
        samples, labels = np.frombuffer(self.samples, np.int64).reshape(2, -1).tolist()
        return dict(zip(samples, labels, strict=True))


offers: Offers[_Offer] = Offers(most=64)
"""The samples of the maps that were drawn last."""


def offer(origin: ImageOrigin, samples: np.ndarray, labels: np.ndarray) -> str:
    """Allow requests for samples (n,) with labels (n,); return the address to which a sample's number is appended.

    The address is relative to the pages. Equal samples have the same one, unless many others have been offered since.
    """
    numbers = np.stack([samples, labels]).astype(np.int64)
    return f"{IMAGES_FOLDER}/{offers.offer(_Offer(origin, numbers.tobytes()))}/"


def _answer(request: Request) -> Response:
    """Return the image of an offered sample; status 404 for any other, and if its image or label is not that of the run."""
    offered, sample = offers.get(request.path_params["key"]), request.path_params["sample"]
    label = None if offered is None else offered.labels.get(sample)
    if offered is None or label is None:
        return Response("There is no such image.", 404)
    try:
        content, media_type = _small_image(offered.origin, sample, label)
    except (ValueError, OSError):
        return Response("This image cannot be read.", 404)
    return Response(
        content, media_type=media_type, headers={"Cache-Control": f"private, max-age={_SECONDS_IN_BROWSER}"}
    )


@lru_cache(_MOST_KEPT)
def _small_image(origin: ImageOrigin, sample: int, label: int) -> tuple[bytes, str]:
    (picture,) = origin.load_checked_images(np.array([sample]), np.array([label]))
    return small_file(picture, _SIDE)


def routes() -> list[Route]:
    """Return the routes of the images, for `st.App`."""
    return [Route(add_base_path(f"{IMAGES_FOLDER}/{{key}}/{{sample:int}}"), _answer, methods=["GET"])]
