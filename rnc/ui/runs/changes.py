"""Changes to runs: tags, a note, archiving, and deletion after a summary of what will be lost.

Tested by tests/pages/test_runs.py.
"""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from rnc.store.compact import compact
from rnc.store.errors import StoreError
from rnc.store.run_annotations import LONGEST_NOTE, MOST_TAGS, networks_of
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.readonly import READONLY_MESSAGE, ReadOnlyError, is_readonly

_OUTCOME, _TO_DELETE = "runs_outcome", "runs_to_delete"
_LEAST_UNUSED = 2**20  # bytes


def draw_outcome() -> None:
    """Show the outcome of the last action once."""
    for kind, text in st.session_state.pop(_OUTCOME, []):
        if kind == "error":
            show_error(text)
        else:
            st.success(escape_markdown(text, MAX_MESSAGE_LENGTH))


def draw_compaction() -> None:
    """Offer to compact the store's file if much of it is unused, because DuckDB does not shrink it when runs are deleted."""
    if is_readonly() or (unused := opened_store.reader().unused_bytes()) < _LEAST_UNUSED:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{unused / 1e6:,.0f} MB of the store's file are unused, because their rows were replaced or deleted."
        )
        st.button(
            "Compact the store",
            on_click=_compact,
            key="compact",
            icon=":material/compress:",
            help="Writes a copy of the file without the unused space, compares the two files and replaces the original. "
            "Trainings and pages wait until this is done.",
        )


def draw_annotations(run: pd.Series, known_tags: list[str]) -> None:
    """Draw tags and note of a run, editable if the run may be changed; `known_tags` are those of all runs."""
    st.subheader("Tags and note", anchor=False)
    if is_readonly() or run["published"]:
        st.text("\n".join(filter(None, [", ".join(run["tags"]), run["note"]])) or "none")
        st.caption(READONLY_MESSAGE if is_readonly() else "Runs of the built-in gallery cannot be changed.")
        return
    # The key depends on the stored values, so that the fields are reset when another window has changed them.
    key = f"{run['run_id']}_{hash((*run['tags'], run['note']))}"
    with st.form("marks", border=False):
        st.multiselect(
            "Tags",
            sorted({*known_tags, *run["tags"]}),
            default=run["tags"],
            key=f"tags_{key}",
            accept_new_options=True,
            max_selections=MOST_TAGS,
            placeholder="choose or type",
        )
        st.text_area("Note", run["note"], key=f"note_{key}", max_chars=LONGEST_NOTE, height=100)
        st.form_submit_button(
            "Save", key="save_marks", icon=":material/save:", on_click=_save, args=(run["run_id"], key)
        )


def draw_deletion(runs: pd.DataFrame, first: str) -> None:
    """Offer to archive, restore or delete runs of the store, initially the run `first`."""
    runs = runs[~runs["published"]]
    if is_readonly() or runs.empty:
        return
    st.subheader("Archive or delete", anchor=False)
    run_ids = list(runs["run_id"])
    chosen = st.multiselect(
        "Runs to archive or delete",
        run_ids,
        [first] if first in run_ids else [],
        key=f"touched_{first}",
        label_visibility="collapsed",
        placeholder="choose runs of the store",
    )
    is_archived = runs.set_index("run_id")["archived"]
    visible = [run_id for run_id in chosen if not is_archived[run_id]]
    archived = [run_id for run_id in chosen if is_archived[run_id]]
    with st.container(horizontal=True):
        st.button(
            "Archive",
            key="archive",
            icon=":material/archive:",
            on_click=_archive,
            args=(visible, True),
            disabled=not visible,
            help="Hides the runs on all pages. Nothing is deleted.",
        )
        if archived:
            st.button(
                "Restore", key="unarchive", icon=":material/unarchive:", on_click=_archive, args=(archived, False)
            )
        st.button(
            "Delete …", key="delete", icon=":material/delete:", on_click=_ask_first, args=(chosen,), disabled=not chosen
        )
    to_delete = [run_id for run_id in st.session_state.get(_TO_DELETE, []) if run_id in chosen]
    if to_delete:
        _confirm(to_delete)


def _confirm(run_ids: list[str]) -> None:
    """Show what would be deleted, and ask for confirmation."""
    reader = opened_store.reader()
    with st.container(border=True):
        runs = f"{len(run_ids)} run{'s' if len(run_ids) > 1 else ''}"
        st.markdown(f"**Delete {escape_markdown(runs)} permanently?** The following will be deleted:")
        try:
            networks = [networks_of(reader.path, run_id) for run_id in run_ids]
        except (StoreError, OSError) as error:
            show_error(str(error))
            return
        rows = [int(reader.runs.row_counts(run_id)["rows"].sum()) for run_id in run_ids]
        files, sizes = zip(*networks, strict=True)
        table = pd.DataFrame({"run": run_ids, "rows": rows, "files": files, "MB": [size / 1e6 for size in sizes]})
        columns = {
            "rows": st.column_config.NumberColumn(format="localized"),
            "MB": st.column_config.NumberColumn(format="%.2f"),
        }
        alt = "What would be deleted, one run per row"
        st.dataframe(table, hide_index=True, key="goes", column_config=columns, alt=alt)
        st.caption(
            f"In total {sum(rows):,} rows of the store, and {sum(files):d} files of networks with {sum(sizes) / 1e6:,.2f} MB. "
            "Saved results of the attack lab are not deleted. A run that is being trained cannot be deleted. The command above "
            "trains a run again."
        )
        with st.container(horizontal=True):
            st.button("Delete permanently", key="delete_for_good", type="primary", on_click=_delete, args=(run_ids,))
            st.button("Cancel", key="delete_not", on_click=_ask_first, args=([],))


def _save(run_id: str, key: str) -> None:
    tags, note = st.session_state[f"tags_{key}"], st.session_state[f"note_{key}"]
    _attempt([(f"Saved for {run_id}.", partial(_annotate_one, run_id, tags, note))])


def _annotate_one(run_id: str, tags: list[str], note: str) -> None:
    opened_store.writer().annotate(run_id, tags, note)


def _archive(run_ids: list[str], archived: bool) -> None:
    count = f"{len(run_ids)} run{'s' if len(run_ids) > 1 else ''}"
    message = f"Archived {count}. “Show archived runs” in the filter shows them." if archived else f"Restored {count}."
    if _attempt([(message, partial(_archive_all, run_ids, archived))]) and archived:
        _deselect(run_ids)


def _archive_all(run_ids: list[str], archived: bool) -> None:
    opened_store.writer().archive(run_ids, archived)


def _compact() -> None:
    _attempt([("The store was compacted.", _compact_store)])


def _compact_store() -> None:
    compact(opened_store.writer().path)


def _ask_first(run_ids: list[str]) -> None:
    """Ask for confirmation of the deletion of these runs; of none, withdraw the question."""
    st.session_state[_TO_DELETE] = run_ids


def _delete(run_ids: list[str]) -> None:
    deleted = _attempt([(f"Deleted {run_id}.", partial(_delete_one, run_id)) for run_id in run_ids])
    _deselect([run_ids[index] for index in deleted])
    _ask_first([])


def _delete_one(run_id: str) -> None:
    opened_store.writer().delete_run(run_id)


def _deselect(run_ids: list[str]) -> None:
    st.session_state["runs"] = [run_id for run_id in st.session_state.get("runs", []) if run_id not in run_ids]


def _attempt(steps: list[tuple[str, Callable[[], None]]]) -> list[int]:
    """Run each step (message if it succeeds, function), record the outcomes for the page; return which steps succeeded."""
    succeeded, outcomes = [], []
    for index, (message, step) in enumerate(steps):
        try:
            step()
        except (StoreError, ReadOnlyError, ValueError) as error:
            outcomes.append(("error", str(error)))
        else:
            succeeded.append(index)
            outcomes.append(("success", message))
    st.session_state[_OUTCOME] = outcomes
    return succeeded
