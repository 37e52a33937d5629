"""Changes to runs, for the callbacks of buttons: tags and note, archiving, deletion, compaction; and the report of each.

Tested by tests/pages/test_runs.py.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st

from rnc.store.compact import compact
from rnc.store.errors import StoreError
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.readonly import ReadOnlyError, is_readonly
from rnc.ui.runs.which_run_is_open import close_run, requested_run
from rnc.ui.training_status import store_has_active_training

_OUTCOME, _TO_DELETE, _FIELDS = "runs_outcome", "runs_to_delete", "runs_fields"
_LEAST_UNUSED = 2**20  # bytes


def draw_outcome(place: str) -> None:
    """Show the outcome of the last action once, if it belongs to this place of the page."""
    belongs_to, outcomes = st.session_state.get(_OUTCOME, ("", []))
    if belongs_to != place:
        return
    del st.session_state[_OUTCOME]
    for kind, text in outcomes:
        if kind == "error":
            show_error(text)
        else:
            st.success(escape_markdown(text, MAX_MESSAGE_LENGTH), icon=":material/check:")


def draw_compaction() -> None:
    """Offer to compact the store's file if much of it is unused, because DuckDB does not shrink it when runs are deleted."""
    if is_readonly() or (unused := opened_store.reader().unused_bytes()) < _LEAST_UNUSED:
        return
    busy = store_has_active_training()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{unused / 1e6:,.0f} MB of the store's file are unused, because their rows were replaced or deleted."
            f"{' The file can be compacted when no training writes to it any more.' if busy else ''}"
        )
        st.button(
            "Compact the store",
            on_click=_compact,
            key="compact",
            disabled=busy,
            icon=":material/compress:",
            help="Writes a copy of the file without the unused space, compares the two files and replaces the original. "
            "Trainings and pages wait until this is done.",
        )


def key_of_fields(run_id: str, tags: list[str], note: str) -> str:
    """Return the key of the fields for a run's tags and note as they are stored now.

    It is another one if somebody else has changed them, so that the fields are reset, and the same after this visitor has, so
    that one tag after the other can be entered.
    """
    stored = (run_id, sorted(tags), note)
    shown, number = st.session_state.get(_FIELDS, (None, 0))
    if shown != stored:
        number += 1
        st.session_state[_FIELDS] = (stored, number)
    return str(number)


def save_tags_and_note(run_id: str, key: str) -> None:
    """Save the tags and the note that the user entered in the fields with this key.

    That they were saved is said in a corner of the window: the list of tags stays open, and covers what is beside its field.
    """
    tags, note = st.session_state[f"tags_{key}"], st.session_state[f"note_{key}"]
    if _attempt("marks", [("", partial(_annotate_one, run_id, tags, note))]):
        del st.session_state[_OUTCOME]
        st.toast(f"Saved for {escape_markdown(run_id)}.", icon=":material/check:", duration="long")
        runs = opened_store.reader().runs.all()
        for run in runs[runs["run_id"] == run_id].to_dict("records"):
            st.session_state[_FIELDS] = ((run_id, sorted(run["tags"]), run["note"]), int(key))


def _annotate_one(run_id: str, tags: list[str], note: str) -> None:
    opened_store.writer().annotate(run_id, tags, note)


def archive(place: str, run_ids: list[str], archived: bool) -> None:
    """Archive or restore runs; archived ones are no longer selected."""
    count = f"{len(run_ids)} run{'s' if len(run_ids) > 1 else ''}"
    message = f"Archived {count}. “Show archived runs” in the filter shows them." if archived else f"Restored {count}."
    if _attempt(place, [(message, partial(_archive_all, run_ids, archived))]) and archived:
        _deselect(run_ids)


def _archive_all(run_ids: list[str], archived: bool) -> None:
    opened_store.writer().archive(run_ids, archived)


def _compact() -> None:
    _attempt("page", [("The store was compacted.", _compact_store)])


def _compact_store() -> None:
    compact(opened_store.writer().path)


def ask_before_deletion(place: str, run_ids: list[str]) -> None:
    """Ask at this place of the page if these runs are to be deleted; of none, withdraw the question."""
    st.session_state[_TO_DELETE] = (place, run_ids)


def asked_to_delete(place: str) -> list[str]:
    """Return the runs about whose deletion the user is asked at this place."""
    asked_at, run_ids = st.session_state.get(_TO_DELETE, ("", []))
    return list(run_ids) if asked_at == place else []


def delete(place: str, run_ids: list[str]) -> None:
    """Delete runs. If the open one is among them, it is closed, and the report is where it was."""
    steps: list[tuple[str, Callable[[], None]]]
    steps = [(f"Deleted {run_id}.", partial(_delete_one, run_id)) for run_id in run_ids]
    deleted = [run_ids[index] for index in _attempt(place, steps)]
    _deselect(deleted)
    ask_before_deletion(place, [])
    if requested_run() in deleted:
        close_run()


def _delete_one(run_id: str) -> None:
    opened_store.writer().delete_run(run_id)


def _deselect(run_ids: list[str]) -> None:
    st.session_state["runs"] = [run_id for run_id in st.session_state.get("runs", []) if run_id not in run_ids]


def _attempt(place: str, steps: list[tuple[str, Callable[[], None]]]) -> list[int]:
    """Run each step (message if it succeeds, function), record the outcomes for a place; return which steps succeeded."""
    succeeded, outcomes = [], []
    for index, (message, step) in enumerate(steps):
        try:
            step()
        except (StoreError, ReadOnlyError, ValueError) as error:
            outcomes.append(("error", str(error)))
        else:
            succeeded.append(index)
            outcomes.append(("success", message))
    st.session_state[_OUTCOME] = (place, outcomes)
    return succeeded
