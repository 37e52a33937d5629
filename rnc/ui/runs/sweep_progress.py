"""The progress of the sweeps of a store, on the runs page."""

import shlex

import streamlit as st

from rnc.store.reader import StoreReader
from rnc.store.sweep_state import find_sweeps, left_out_message, progress, sweeps_of
from rnc.ui.markdown import MOST_OF_A_MESSAGE, clean, plain
from rnc.vocabulary import RunState

_LOOK_SECONDS = 5
_MOST_NAMED = 20


def draw(reader: StoreReader) -> None:
    """Draw a progress bar per sweep, kept up to date, and the sweeps that are left out with the reason."""
    found = find_sweeps(reader.path)
    for name, reason in found.left_out.items():
        st.caption(plain(left_out_message(name, reason), MOST_OF_A_MESSAGE))
    if found.sweeps:
        _bars(reader)


@st.fragment(run_every=_LOOK_SECONDS)
def _bars(reader: StoreReader) -> None:
    st.subheader("Sweeps")
    runs = reader.runs.all()
    for sweep in sweeps_of(reader.path):
        now = progress(sweep, runs, reader.runs.paces(list(sweep.runs)))
        st.progress(now.share, text=f"{plain(sweep.name)} on {plain(sweep.engine)}: {plain(now)}")
        failed = [run_id for run_id, state in now.states.items() if state == RunState.FAILED]
        if failed:
            st.caption(f"Failed: {', '.join(map(plain, failed[:_MOST_NAMED]))}. Try again:")
            st.code(f"python -m train.sweep {shlex.quote(clean(sweep.name))} --retry-failed", language="bash")
