"""The images of samples, read from the data set if it is on this machine; otherwise the reason for their absence.

Tested by tests/pages/test_projections.py.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from rnc import datasets
from rnc.ui.charts.images import data_uri, full_png, small_uri
from rnc.ui.projections.map_options import MOST_DRAWN, MapChoice
from rnc.vocabulary import Split

_HOVER_SIDE = 48
"""Largest length of a thumbnail's longer side in pixels."""

LARGE_ON_HOVER = """<style>#vg-tooltip-element img {
    width: 96px; max-width: none; image-rendering: pixelated; display: block; border-radius: 4px;
}</style>"""
"""CSS that enlarges thumbnails in tooltips, which are sent in their small size."""


@dataclass(frozen=True)
class SampleImages:
    """Data URIs of images by sample; empty if `why_not` gives a reason."""

    uris: dict[int, str]
    why_not: str = ""

    @property
    def rows(self) -> pd.DataFrame | None:
        """sample, image; None if there are no images."""
        return pd.DataFrame({"sample": list(self.uris), "image": list(self.uris.values())}) if self.uris else None


def hover_thumbnails(choice: MapChoice, points: pd.DataFrame) -> SampleImages:
    """Return thumbnails of all drawn samples (sample, label by name), unless there are too many."""
    drawn = points.drop_duplicates("sample")
    if len(drawn) > MOST_DRAWN:
        return SampleImages({}, f"No images are shown on hover, because the map has more than {MOST_DRAWN:,} samples.")
    return _images(choice, drawn["sample"].to_numpy(), drawn["label"].tolist(), _HOVER_SIDE)


def full_size_images(choice: MapChoice, samples: pd.DataFrame) -> SampleImages:
    """Return images of a few samples (sample, label by name) in full size."""
    return _images(choice, samples["sample"].to_numpy(), samples["label"].tolist(), None)


def _images(choice: MapChoice, samples: np.ndarray, labels: list[str], side: int | None) -> SampleImages:
    run = choice.run
    if run["synthetic"]:
        return SampleImages({}, "No images are shown, because the numbers of this run are synthetic.")
    root = str(datasets.data_root())
    number_of = {name: number for number, name in enumerate(choice.classes)}
    numbers = np.array([number_of[name] for name in labels], dtype=np.int64)
    try:
        uris = _read(run["images_from"], choice.split, samples, numbers, _recorded_count(run, choice.split), side, root)
    except (ValueError, OSError) as error:  # not cached, because the images may be available the next time
        return SampleImages({}, f"No images are shown: {error}")
    return SampleImages(dict(zip(samples.tolist(), uris, strict=True)))


def _recorded_count(run: pd.Series, split: Split) -> int | None:
    """Return the number of images in the run's split; None if the run used a subset or did not record it."""
    if split is Split.TRAIN and run.get("subset"):
        return None
    data = json.loads(run["data"]) if isinstance(run["data"], str) else {}
    return data.get(split, {}).get("images")


@st.cache_data(max_entries=12, show_spinner="Reading images …")
def _read(
    images_from: str,
    split: Split,
    samples: np.ndarray,
    labels: np.ndarray,
    count: int | None,
    side: int | None,
    root: str,
) -> list[str]:
    """Read the images and check their labels, because another source of the data set may order its images differently.

    Raises ValueError if `datasets.load_subset` does, and if these are not the images of the run.
    """
    images = datasets.load_subset(images_from, Split(split), samples)
    if not np.array_equal(images.labels, labels) or count not in (None, images.count):
        raise ValueError(f"the {split} images in {root} are not those of the run, or are in another order.")
    levels = (np.arange(images.levels + 1) * 255 / images.levels).round().astype(np.uint8)
    return [data_uri(full_png(image)) if side is None else small_uri(image, side) for image in levels[images.images]]
