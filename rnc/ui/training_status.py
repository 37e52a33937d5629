"""The progress of the trainings under way, drawn on every page, and the rerun of a page when an epoch has been measured.

Tested by tests/pages/test_pages.py.
"""

from collections.abc import Hashable

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.errors import show_errors_of_fragment
from rnc.ui.markdown import escape_markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.readonly import is_readonly
from rnc.ui.refresh_interval import refresh_seconds
from rnc.vocabulary import RunState

CONTENT = "content_of_pages"
"""The key of the session that holds the content with which the page was drawn."""


def draw_training_status() -> None:
    """Draw the progress of the runs under way; rerun the app when a new epoch has been measured."""
    st.fragment(show_errors_of_fragment(_draw_progress), run_every=refresh_seconds())()


def _draw_progress() -> None:
    training, runs = opened_store.training(), opened_store.reader().runs.all()
    active = runs[runs["state"] == RunState.RUNNING]
    if training.running and active.empty:
        st.progress(0.0, "Starting the training …")
    for run in active.to_dict("records"):
        share = min(run["epochs_done"] / max(run["epochs"], 1), 1.0)
        objective = escape_markdown(run["objective"].upper())
        st.progress(
            share, f"{objective}: epoch {escape_markdown(run['epochs_done'])} of {escape_markdown(run['epochs'])}"
        )
    if training.running and not is_readonly() and st.button("Stop training", key="stop_training"):
        training.stop()
    content = content_of_pages()
    if st.session_state.setdefault(CONTENT, content) != content:
        st.rerun(scope="app")


@cached_until_store_changes
def content_of_pages() -> Hashable:
    """Return a value that changes with the pages' content: runs, their notes and measured epochs, but no heartbeats."""
    runs = opened_store.reader().runs.all()
    if runs.empty:
        return ()
    rows = zip(runs["run_id"], runs["state"], runs["archived"], map(tuple, runs["tags"]), runs["note"], strict=True)
    return (*rows, *opened_store.reader().metrics.value_counts_by_run()["metrics"])
