"""Sliders that can play: the epoch cursor that all pages share, and films over epochs or an attack's steps."""

import math
import re
import time
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from rnc.ui.charts.interaction import CHOSEN_AT_POINT, CHOSEN_EPOCH
from rnc.ui.controls_in_address import has_unavailable_value, is_opened_anew, replace_unavailable_value, tie, untied
from rnc.ui.errors import show_errors_of_fragment
from rnc.ui.markdown import Markdown

_LAST = "last"
_SECONDS_PER_STOP = 1.2
MOST_STOPS = 2_000
"""Largest number of epochs that the cursor offers, because the browser receives all of them as texts."""


def draw_cursor(epochs: list[int], *, may_play: bool = True) -> int:
    """Draw the cursor over the measured `epochs` of the selected runs, ascending, and return the selected epoch.

    `last` stands for the last epoch, and follows a run that is under way. A URL may contain any epoch; the cursor then shows
    the last measured epoch that is not after it, and the page says so. It rests while a page is drawn on which it may not play.
    """
    if "cursor_to" in st.session_state:  # a widget's state cannot be set after it is drawn
        replace_unavailable_value("epoch", st.session_state.pop("cursor_to"))
    tied = _tie_epoch(epochs)
    if len(epochs) < 2:
        return epochs[0] if epochs else 0
    requested = str(st.session_state.get("epoch", st.query_params.get("epoch", _LAST)))
    stops = thinned_stops_including(epochs, at := stop_not_after(epochs, requested))
    if at != requested:
        st.session_state["epoch"] = at
    help = "Every chart shows each run at its last measured epoch up to this one."
    stop = str(st.select_slider("Epoch", stops, value=stops[-1], help=help, **tied))
    if _draw_play_toggle("play", "Step through the measured epochs of the selected runs.") and may_play:
        st.session_state["page_seen_at"] = math.inf
        _advance(stops, stop)
    return epochs[-1] if stop == _LAST else int(stop)


def _tie_epoch(epochs: list[int]) -> dict[str, Any]:
    """Return the arguments that tie the cursor to the address, and say above the page if its epoch was not measured."""
    requested = st.query_params.get("epoch", _LAST)
    is_measured = requested == _LAST or not epochs or requested in map(str, epochs)
    if is_measured or not (is_opened_anew("epoch") or has_unavailable_value("epoch")):
        return tie("epoch", {requested: requested}, "the epoch", "")
    at = stop_not_after(epochs, requested)
    shown = epochs[-1] if at == _LAST else int(at)
    why = f"was not measured for any of the selected runs. Epoch {shown:d} is shown."
    return untied("epoch", [requested], "the epoch", why)


def stop_not_after(epochs: list[int], requested: str) -> str:
    """Return the last of the ascending `epochs` that is not after `requested`, as text; the first if all are after it.

    The result is `last` for the last epoch, and if `requested` is not a whole number.
    """
    if not re.fullmatch(r"-?[0-9]{1,18}", requested):
        return _LAST
    at = epochs[max(bisect_right(epochs, int(requested)) - 1, 0)]
    return _LAST if at == epochs[-1] else str(at)


def chart_options_for_choosing_epoch(key: str) -> dict[str, Any]:
    """Return the options of a chart over epochs (`st.vega_lite_chart`) with a key, in which the mouse moves the cursor."""
    return {"key": key, "on_select": partial(_move_cursor, key), "selection_mode": [CHOSEN_EPOCH, CHOSEN_AT_POINT]}


def _move_cursor(key: str) -> None:
    """Move the cursor to the epoch that was chosen in a chart: of its two selections, the one that has changed."""
    selections = st.session_state[key]["selection"]
    chosen = [row for name in (CHOSEN_EPOCH, CHOSEN_AT_POINT) for row in selections.get(name, ())]
    for row in chosen:
        if row not in st.session_state.get(f"{key}_chosen_before", ()):
            st.session_state["cursor_to"] = str(int(row["epoch"]))
    st.session_state[f"{key}_chosen_before"] = chosen


def thinned_stops_including(epochs: list[int], at: str) -> list[str]:
    """Return the options of the cursor: the ascending `epochs` as texts, with `last` in place of the last one.

    Of more than MOST_STOPS epochs, about MOST_STOPS are offered, evenly spaced and always with `at`.
    """
    every = -(-len(epochs) // MOST_STOPS)
    offered = epochs[:-1:every] if at == _LAST else sorted({*epochs[:-1:every], int(at)})
    return [*map(str, offered), _LAST]


def draw_film(label: Markdown, frames: list[str], draw: Callable[[str], None], *, key: str, help: Markdown) -> None:
    """Draw a slider over frames, first at the last frame, and `draw` the chosen one; each stop reruns only this fragment."""
    playing = _draw_play_toggle(f"{key}_play", "Step through the frames.")
    st.session_state[f"{key}_is_drawn"] = False
    every = _SECONDS_PER_STOP if playing else None
    st.fragment(show_errors_of_fragment(_show_film), run_every=every)(label, frames, draw, key, help, playing)


def _show_film(
    label: Markdown, frames: list[str], draw: Callable[[str], None], key: str, help: Markdown, playing: bool
) -> None:
    at = st.session_state.get(key, frames[-1])
    if playing and st.session_state[f"{key}_is_drawn"]:
        at = next_stop(frames, at if at in frames else frames[-1])
        st.session_state[key] = at
        if at == frames[-1]:
            st.session_state[f"{key}_play_is_over"] = True
            st.rerun(scope="app")
    draw(_slider(label, frames, key, help))
    st.session_state[f"{key}_is_drawn"] = True


def _slider(label: Markdown, options: list[str], key: str, help: Markdown) -> str:
    return str(st.select_slider(label, options, value=options[-1], key=key, bind="query-params", help=help))


def _draw_play_toggle(key: str, help: Markdown) -> bool:
    """Draw the toggle and return whether it is on; it is switched off if `<key>_is_over` is set."""
    if st.session_state.pop(f"{key}_is_over", False):
        st.session_state[key] = False
    return st.toggle("Play", key=key, help=help)


def start_page_visible_clock() -> None:
    """Start to measure how long a page has been visible while the cursor plays; `app.py` calls this after each page."""
    st.session_state["page_seen_at"] = time.monotonic()


def next_stop(stops: list[str], at: str) -> str:
    """Return the stop that follows `at`, or the first after the last; `at` may be a number between two stops."""
    if at in stops:
        return stops[(stops.index(at) + 1) % len(stops)]
    return next((stop for stop in stops if stop == _LAST or int(stop) > int(at)), stops[0])


@st.fragment(run_every=_SECONDS_PER_STOP)
@show_errors_of_fragment
def _advance(stops: list[str], at: str) -> None:
    """Move to the next stop when the page has been visible long enough."""
    if time.monotonic() - st.session_state["page_seen_at"] < 0.9 * _SECONDS_PER_STOP:
        return
    st.session_state["cursor_to"] = next_stop(stops, at)
    st.session_state["play_is_over"] = st.session_state["cursor_to"] == stops[-1]
    st.rerun(scope="app")
