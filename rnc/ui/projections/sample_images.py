"""The images of samples, read from the data set if it is on this machine; otherwise the reason for their absence.

Tested by tests/pages/test_projections.py.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from rnc import datasets
from rnc.ui.charts.images import data_uri, full_png
from rnc.ui.projections.map_options import MapChoice
from rnc.ui.projections.sample_image_routes import ImageOrigin, offer
from rnc.vocabulary import Split

_CHECKED = 20
"""Number of a map's samples whose labels are compared with the images before any is offered."""

_SYNTHETIC = "No images are shown, because the numbers of this run are synthetic."

LARGE_ON_HOVER = """<style>#vg-tooltip-element img {
    width: 96px; height: 96px; max-width: none; object-fit: contain; image-rendering: pixelated; display: block;
    border-radius: 4px;
}</style>"""
"""CSS that enlarges the images in tooltips, which are sent in their small size.

With a fixed height, a tooltip has its place before its image has been read, and does not leave the window with it.
"""


@dataclass(frozen=True)
class SampleImages:
    """Data URIs of images by sample; empty if `why_not` gives a reason."""

    uris: dict[int, str]
    why_not: str = ""


@dataclass(frozen=True)
class HoverImages:
    """The address of the images of a map's samples; None if `why_not` gives a reason, or if none are wanted."""

    address: str | None = None
    why_not: str = ""


def hover_images(choice: MapChoice, points: pd.DataFrame) -> HoverImages:
    """Offer the images of all drawn samples (sample, label by name); a browser requests those that somebody looks at."""
    if choice.run["synthetic"]:
        return HoverImages(None, _SYNTHETIC)
    samples, labels = _numbered(choice, points.drop_duplicates("sample"))
    origin = _origin(choice)
    some = np.unique(np.linspace(0, len(samples) - 1, min(_CHECKED, len(samples))).round().astype(int))
    try:
        _read(origin, samples[some], labels[some], _recorded_count(choice.run, choice.split))
    except (ValueError, OSError) as error:  # not cached, because the images may be available the next time
        return HoverImages(None, f"No images are shown: {error}")
    return HoverImages(offer(origin, samples, labels))


def full_size_images(choice: MapChoice, samples: pd.DataFrame) -> SampleImages:
    """Return images of a few samples (sample, label by name) in full size."""
    if choice.run["synthetic"]:
        return SampleImages({}, _SYNTHETIC)
    numbers, labels = _numbered(choice, samples)
    try:
        uris = _read(_origin(choice), numbers, labels, _recorded_count(choice.run, choice.split))
    except (ValueError, OSError) as error:
        return SampleImages({}, f"No images are shown: {error}")
    return SampleImages(dict(zip(numbers.tolist(), uris, strict=True)))


def _origin(choice: MapChoice) -> ImageOrigin:
    return ImageOrigin(choice.run["images_from"], Split(choice.split), datasets.data_root())


def _numbered(choice: MapChoice, samples: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return samples (n,) and the numbers of their classes (n,)."""
    number_of = {name: number for number, name in enumerate(choice.all_class_names)}
    labels = np.array([number_of[name] for name in samples["label"]], dtype=np.int64)
    return samples["sample"].to_numpy(), labels


def _recorded_count(run: pd.Series, split: Split) -> int | None:
    """Return the number of images in the run's split; None if the run used a subset or did not record it."""
    if split is Split.TRAIN and run.get("subset"):
        return None
    data = json.loads(run["data"]) if isinstance(run["data"], str) else {}
    return data.get(split, {}).get("images")


@st.cache_data(max_entries=12, show_spinner="Reading images …", hash_funcs={ImageOrigin: repr})
def _read(origin: ImageOrigin, samples: np.ndarray, labels: np.ndarray, count: int | None) -> list[str]:
    """Return the images of `ImageOrigin.load_checked_images`, with its errors, as data URIs."""
    return [data_uri(full_png(picture)) for picture in origin.load_checked_images(samples, labels, count)]
