"""The epoch cursor that all pages share, and films: sliders that play, over the measured epochs or an attack's steps."""

import math
import time
from collections.abc import Callable

import streamlit as st

from rnc.error_view import fragment_telling

_LAST = "last"
_SECONDS_A_STOP = 1.2
_MOST_STOPS = 2000


def draw_cursor(epochs: list[int]) -> int:
    """The cursor over the epochs of the chosen runs, of which `epochs`, rising, are measured; `last` follows a run under way."""
    if not epochs or epochs[-1] == 0:
        return 0
    if "cursor_to" in st.session_state:  # (a widget's state can be set before it is drawn, not after)
        st.session_state["epoch"] = st.session_state.pop("cursor_to")
    picked = _slider(
        "Epoch",
        stops_of(epochs),
        "epoch",
        "Every chart shows the last measured epoch of a run that is not after this one",
    )
    if _play("play", "over the measured epochs of the chosen runs"):
        st.session_state["page_seen_at"] = math.inf
        _advance([*map(str, epochs[:-1]), _LAST], picked)
    return epochs[-1] if picked == _LAST else int(picked)


def stops_of(epochs: list[int]) -> list[str]:
    """Return the cursor's stops: every epoch up to the last measured one; the measured ones where there are too many.

    Networks of one's own may count in steps or dates, of which a slider cannot hold all.
    """
    all_of_them = epochs[-1] <= _MOST_STOPS
    return [*map(str, range(epochs[-1]) if all_of_them else epochs[:-1]), _LAST]


def draw_film(label: str, frames: list[str], draw: Callable[[str], None], *, key: str, help: str) -> None:
    """A slider over frames, at the last one at first, with `draw`, which shows one; these alone run anew from stop to stop."""
    playing = _play(f"{key}_play", "from frame to frame")
    st.session_state[f"{key}_is_drawn"] = False
    every = _SECONDS_A_STOP if playing else None
    st.fragment(fragment_telling(_show_film), run_every=every)(label, frames, draw, key, help, playing)


def _show_film(label: str, frames: list[str], draw: Callable[[str], None], key: str, help: str, playing: bool) -> None:
    at = st.session_state.get(key, frames[-1])
    if playing and st.session_state[f"{key}_is_drawn"]:
        at = next_stop(frames, at if at in frames else frames[-1])
        st.session_state[key] = at
        if at == frames[-1]:
            st.session_state[f"{key}_play_is_over"] = True
            st.rerun(scope="app")
    draw(_slider(label, frames, key, help))
    st.session_state[f"{key}_is_drawn"] = True


def _slider(label: str, options: list[str], key: str, help: str) -> str:
    return str(st.select_slider(label, options, value=options[-1], key=key, bind="query-params", help=help))


def _play(key: str, help: str) -> bool:
    """Whether people let it play; it ends by itself where `<key>_is_over` is set."""
    if st.session_state.pop(f"{key}_is_over", False):
        st.session_state[key] = False
    return st.toggle("Play", key=key, help=help)


def page_is_drawn() -> None:
    """Start the time for which a page is seen while the cursor plays; `app.py` says so when its page has run."""
    st.session_state["page_seen_at"] = time.monotonic()


def next_stop(stops: list[str], at: str) -> str:
    """Where playing goes from an option: the next stop; from the last one to the first. Numbers may lie between stops."""
    if at in stops:
        return stops[(stops.index(at) + 1) % len(stops)]
    return next((stop for stop in stops if stop == _LAST or int(stop) > int(at)), stops[0])


@st.fragment(run_every=_SECONDS_A_STOP)
@fragment_telling
def _advance(stops: list[str], at: str) -> None:
    """Move on when the drawn page has been seen long enough."""
    if time.monotonic() - st.session_state["page_seen_at"] < 0.9 * _SECONDS_A_STOP:
        return
    st.session_state["cursor_to"] = next_stop(stops, at)
    st.session_state["play_is_over"] = st.session_state["cursor_to"] == stops[-1]
    st.rerun(scope="app")
