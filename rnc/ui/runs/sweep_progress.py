"""The progress of the sweeps of a store, on the runs page.

Tested by tests/pages/test_runs.py.
"""

import shlex

import streamlit as st

from rnc.store.reader import StoreReader
from rnc.store.sweep_state import find_sweeps, left_out_message, progress, sweeps_of
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown, safe_plain_line
from rnc.vocabulary import RunState

_POLL_SECONDS = 5
_MOST_NAMED = 20


def draw(reader: StoreReader) -> None:
    """Draw a progress bar per sweep, kept up to date, and the sweeps that are left out with the reason."""
    sweeps = find_sweeps(reader.path)
    for name, reason in sweeps.left_out.items():
        st.caption(escape_markdown(left_out_message(name, reason), MAX_MESSAGE_LENGTH))
    if sweeps.sweeps:
        _bars(reader)


@st.fragment(run_every=_POLL_SECONDS)
def _bars(reader: StoreReader) -> None:
    st.subheader("Sweeps")
    runs = reader.runs.all()
    for sweep in sweeps_of(reader.path):
        now = progress(sweep, runs, reader.runs.seconds_per_epoch(list(sweep.runs)))
        st.progress(
            now.share, text=f"{escape_markdown(sweep.name)} on {escape_markdown(sweep.engine)}: {escape_markdown(now)}"
        )
        failed = [run_id for run_id, state in now.states.items() if state == RunState.FAILED]
        if failed:
            st.caption(f"Failed: {', '.join(map(escape_markdown, failed[:_MOST_NAMED]))}. To retry them, run")
            st.code(f"python -m train.sweep {shlex.quote(safe_plain_line(sweep.name))} --retry-failed", language="bash")
