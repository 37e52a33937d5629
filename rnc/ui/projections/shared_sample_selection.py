"""The selection of samples on the maps, shared by all maps of the same images and kept when the maps change.

Drawing a box or clicking on a map changes the selection. Losing the box because another epoch is drawn does not.

Tested by tests/pages/test_projections.py.
"""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from rnc.ui.charts.projection import BRUSHED, PICKED_SAMPLE
from rnc.ui.projections.map_options import MapChoice
from rnc.vocabulary import Split

ADDING = "adding"
"""The key of the session state that is true if a box or a click adds to the selection."""
_PICKED, _ADDRESS = "picked_samples", "picked"
MOST_IN_ADDRESS = 500
"""Number of samples, because some programs cut longer URLs."""


def scope_of(choice: MapChoice) -> str:
    """Return the key of a selection: a data set and split, because samples are indices within these."""
    return scope_of_images(str(choice.run["images_from"]), choice.split)


def scope_of_images(images_from: str, split: Split) -> str:
    """Return the key of the selection among the images of a data set's split."""
    return f"{images_from} {split}"


def picked_samples(scope: str) -> list[int]:
    """Return the selected sample indices, ascending; initially those in the URL."""
    picked: dict[str, list[int]] = st.session_state.setdefault(_PICKED, {})
    if not picked and _ADDRESS in st.query_params:
        numbers = st.query_params[_ADDRESS].split(".")
        picked[scope] = sorted({int(number) for number in numbers if number.isdecimal() and len(number) < 10})
    return picked.get(scope, [])


def write_address_if_few_samples(scope: str) -> bool:
    """Write the selected samples into the URL, and return whether they are few enough for it."""
    samples = picked_samples(scope)
    value = ".".join(map(str, samples))
    if value and len(samples) <= MOST_IN_ADDRESS:
        if st.query_params.get(_ADDRESS) != value:
            st.query_params[_ADDRESS] = value
    elif _ADDRESS in st.query_params:
        del st.query_params[_ADDRESS]
    return len(samples) <= MOST_IN_ADDRESS


def select(scope: str, samples: list[int]) -> None:
    """Make samples the selection, in place of those selected before."""
    st.session_state[_PICKED] = {**st.session_state.get(_PICKED, {}), scope: sorted(set(samples))}


def clear(scope: str) -> None:
    """Clear the selection."""
    select(scope, [])


def _chart_key(name: str, scope: str, view: tuple) -> str:
    """Return the key of a map's chart, a new one if its box no longer applies, so that the chart is drawn without it.

    This is so if the map shows another `view` than the one on which the box was drawn, or if the selection has changed since.
    """
    drawn, count = st.session_state.get(f"{name}_box"), st.session_state.get(f"{name}_count", 0)
    if drawn and drawn != (view, picked_samples(scope)):
        count += 1
        st.session_state[f"{name}_box"], st.session_state[f"{name}_count"] = None, count
    return f"{name}_{count}"


def selection_event(name: str, scope: str, view: tuple, points: pd.DataFrame) -> tuple[str, Callable[[], None]]:
    """Return the key of a map's chart and the callback for the user's actions; `points` (sample, x, y) are the map's."""
    key = _chart_key(name, scope, view)

    def pick_from_chart() -> None:
        state = st.session_state[key]["selection"]
        box, clicked = state.get(BRUSHED) or {}, [int(row["sample"]) for row in state.get(PICKED_SAMPLE) or []]
        before_box, before_clicked = st.session_state.get(f"{key}_before", ({}, []))
        st.session_state[f"{key}_before"] = box, clicked
        samples = inside(points, box) if box and box != before_box else []
        if samples:  # An empty box is ignored, because it may have been drawn on a map that was just being replaced.
            _pick(scope, samples)
            st.session_state[f"{name}_box"] = view, picked_samples(scope)
        elif clicked and clicked != before_clicked:
            _pick(scope, clicked)

    return key, pick_from_chart


def inside(points: pd.DataFrame, box: dict[str, list[float]]) -> list[int]:
    """Return the samples that have a point in a box, given as the limits of x and y."""
    within = pd.Series(True, index=points.index)
    for axis in ("x", "y"):
        low, high = sorted(box.get(axis, (-float("inf"), float("inf"))))
        within &= points[axis].between(low, high)
    return sorted({int(sample) for sample in points["sample"][within]})


def select_matching(scope: str, points: pd.DataFrame, true_key: str, predicted_key: str) -> None:
    """Select the points (sample, label, predicted) with the chosen classes and predictions; without a choice, any match."""
    true, predicted = (st.session_state.get(key) or [] for key in (true_key, predicted_key))
    matching = points[
        points["label"].isin(true or points["label"]) & points["predicted"].isin(predicted or points["predicted"])
    ]
    _pick(scope, [int(sample) for sample in matching["sample"]])


def _pick(scope: str, samples: list[int]) -> None:
    """Select samples, in addition to those selected before if the user asked for that."""
    before = picked_samples(scope) if st.session_state.get(ADDING) else []
    select(scope, [*before, *samples])
