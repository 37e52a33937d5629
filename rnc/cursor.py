"""The epoch cursor that all pages share, and playing it over the measured epochs."""

import math
import time

import streamlit as st

_LAST = "last"
_SECONDS_AN_EPOCH = 1.2


def draw_cursor(epochs: list[int]) -> int:
    """The cursor over all epochs of the chosen runs, measured (`epochs`, rising) or not; `last` follows a run under way."""
    if not epochs or epochs[-1] == 0:
        return 0
    if "cursor_to" in st.session_state:  # (a widget's state can be set before it is drawn, not after)
        st.session_state["epoch"] = st.session_state.pop("cursor_to")
    if st.session_state.pop("play_is_over", False):
        st.session_state["play"] = False
    options = [*map(str, range(epochs[-1])), _LAST]
    picked = st.select_slider(
        "Epoch",
        options,
        value=_LAST,
        key="epoch",
        bind="query-params",
        help="Every chart shows the last measured epoch of a run that is not after this one",
    )
    if st.toggle("Play", key="play", help="over the measured epochs of the chosen runs"):
        st.session_state["cursor_seen_at"] = math.inf
        _advance(epochs, None if picked == _LAST else int(picked))
    return epochs[-1] if picked == _LAST else int(picked)


def page_is_drawn() -> None:
    """Start the time for which a page is seen while the cursor plays; `app.py` says so when its page has run."""
    st.session_state["cursor_seen_at"] = time.monotonic()


def next_stop(epochs: list[int], at: int | None) -> str:
    """Where the cursor goes from an epoch (None: from the last, to the beginning): the next measured one, at the end `last`."""
    later = [epoch for epoch in epochs if at is None or epoch > at]
    return _LAST if not later or later[0] == epochs[-1] else str(later[0])


@st.fragment(run_every=_SECONDS_AN_EPOCH)
def _advance(epochs: list[int], at: int | None) -> None:
    """Move on when the drawn page has been seen long enough."""
    if time.monotonic() - st.session_state["cursor_seen_at"] < 0.9 * _SECONDS_AN_EPOCH:
        return
    st.session_state["cursor_to"] = next_stop(epochs, at)
    st.session_state["play_is_over"] = st.session_state["cursor_to"] == _LAST
    st.rerun(scope="app")
