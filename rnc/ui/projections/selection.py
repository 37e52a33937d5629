"""The samples that people picked on the maps: one selection for all maps of the same images, kept while they change.

A box or a click on a map is an act that makes the selection; that it is gone from the map again (because another epoch is
drawn) changes nothing.
"""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from rnc.ui.charts.projection import BRUSHED, PICKED_SAMPLE
from rnc.ui.projections.map_options import MapChoice

ADDING = "adding"
"""Where the session keeps whether a box or a click adds to what is picked."""
_PICKED, _ADDRESS = "picked_samples", "picked"
MOST_IN_ADDRESS = 500
"""Samples; a longer address is cut by some programs that pass it on."""


def scope_of(choice: MapChoice) -> str:
    """Samples are indices of a split of a data set: what a selection holds for."""
    return f"{choice.run['images_from']} {choice.split}"


def picked_samples(scope: str) -> list[int]:
    """The picked samples' indices, rising; at first those that the address names."""
    kept: dict[str, list[int]] = st.session_state.setdefault(_PICKED, {})
    if not kept and _ADDRESS in st.query_params:
        asked = st.query_params[_ADDRESS].split(".")
        kept[scope] = sorted({int(number) for number in asked if number.isdecimal() and len(number) < 10})
    return kept.get(scope, [])


def write_address(scope: str) -> bool:
    """Let the address name the picked samples; whether they are few enough for that."""
    samples = picked_samples(scope)
    told = ".".join(map(str, samples))
    if told and len(samples) <= MOST_IN_ADDRESS:
        if st.query_params.get(_ADDRESS) != told:
            st.query_params[_ADDRESS] = told
    elif _ADDRESS in st.query_params:
        del st.query_params[_ADDRESS]
    return len(samples) <= MOST_IN_ADDRESS


def clear(scope: str) -> None:
    """Pick nothing."""
    st.session_state[_PICKED] = {**st.session_state.get(_PICKED, {}), scope: []}


def _chart_key(name: str, scope: str, view: tuple) -> str:
    """The key of a map's chart: another one, and so a chart without a box, where the box has nothing to say any more.

    That is where the map shows another `view` than the box was drawn on, or something else was picked since.
    """
    drawn, count = st.session_state.get(f"{name}_box"), st.session_state.get(f"{name}_count", 0)
    if drawn and drawn != (view, picked_samples(scope)):
        count += 1
        st.session_state[f"{name}_box"], st.session_state[f"{name}_count"] = None, count
    return f"{name}_{count}"


def picking(name: str, scope: str, view: tuple, points: pd.DataFrame) -> tuple[str, Callable[[], None]]:
    """The key of a map's chart, and what to do when people act on it; `points` (sample, x, y) are the map's."""
    key = _chart_key(name, scope, view)

    def act() -> None:
        state = st.session_state[key]["selection"]
        box, clicked = state.get(BRUSHED) or {}, [int(row["sample"]) for row in state.get(PICKED_SAMPLE) or []]
        before_box, before_clicked = st.session_state.get(f"{key}_before", ({}, []))
        st.session_state[f"{key}_before"] = box, clicked
        within = inside(points, box) if box and box != before_box else []
        if within:  # (a box around nothing is no act: it may have been drawn on a map that was just being replaced)
            _pick(scope, within)
            st.session_state[f"{name}_box"] = view, picked_samples(scope)
        elif clicked and clicked != before_clicked:
            _pick(scope, clicked)

    return key, act


def inside(points: pd.DataFrame, box: dict[str, list[float]]) -> list[int]:
    """The samples of which a point lies in a box: x and y, each from one side to the other."""
    within = pd.Series(True, index=points.index)
    for axis in ("x", "y"):
        low, high = sorted(box.get(axis, (-float("inf"), float("inf"))))
        within &= points[axis].between(low, high)
    return sorted({int(sample) for sample in points["sample"][within]})


def pick_decided(scope: str, points: pd.DataFrame, true_key: str, decided_key: str) -> None:
    """Pick those points (sample, label, predicted) of which people named class and decision, any where they named none."""
    true, decided = (st.session_state.get(key) or [] for key in (true_key, decided_key))
    here = points[
        points["label"].isin(true or points["label"]) & points["predicted"].isin(decided or points["predicted"])
    ]
    _pick(scope, [int(sample) for sample in here["sample"]])


def _pick(scope: str, samples: list[int]) -> None:
    before = picked_samples(scope) if st.session_state.get(ADDING) else []
    st.session_state[_PICKED] = {**st.session_state.get(_PICKED, {}), scope: sorted({*before, *samples})}
