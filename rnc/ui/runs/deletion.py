"""Archiving and deletion of runs, after a summary of what will be lost: of the open run, and of several.

Tested by tests/pages/test_runs.py.
"""

import pandas as pd
import streamlit as st

from rnc.store.errors import StoreError
from rnc.store.run_editor import networks_of
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.markdown import escape_markdown
from rnc.ui.readonly import is_readonly
from rnc.ui.runs.save_archive_delete import archive, ask_before_deletion, asked_to_delete, delete, draw_outcome


def draw_archive_and_delete_buttons(run: pd.Series) -> None:
    """Draw the buttons that archive, restore or delete the open run; what they answer is drawn by `draw_answer_of_one`."""
    run_ids = [str(run["run_id"])]
    _draw_buttons("panel", "", [] if run["archived"] else run_ids, run_ids if run["archived"] else [])


def draw_answer_of_one(run: pd.Series) -> None:
    """Draw the question about the deletion of the open run, or the report of what was done."""
    _draw_answer("panel", "", [str(run["run_id"])])


def draw_archive_or_delete_many(runs: pd.DataFrame) -> None:
    """Offer to archive, restore or delete several runs of the table at once; none is chosen beforehand."""
    runs = runs[~runs["published"].astype(bool)]
    if is_readonly() or runs.empty:
        return
    with st.expander("Archive or delete several runs", key="many_runs"):
        chosen = st.multiselect(
            "Runs to archive or delete",
            list(runs["run_id"]),
            key="touched",
            placeholder="choose runs of the store",
        )
        is_archived = runs.set_index("run_id")["archived"]
        visible = [run_id for run_id in chosen if not is_archived[run_id]]
        with st.container(horizontal=True):
            _draw_buttons("many", "_many", visible, [run_id for run_id in chosen if is_archived[run_id]])
        _draw_answer("many", "_many", chosen)


def _draw_buttons(place: str, suffix: str, visible: list[str], archived: list[str]) -> None:
    """Draw the buttons that act on these runs."""
    run_ids = visible + archived
    if visible or not archived:
        st.button(
            "Archive",
            key=f"archive{suffix}",
            icon=":material/archive:",
            on_click=archive,
            args=(place, visible, True),
            disabled=not visible,
            help="Hides it on all pages, until “Show archived runs” in the filter shows it.",
        )
    if archived:
        st.button(
            "Restore",
            key=f"unarchive{suffix}",
            icon=":material/unarchive:",
            on_click=archive,
            args=(place, archived, False),
        )
    st.button(
        "Delete …",
        key=f"delete{suffix}",
        icon=":material/delete:",
        on_click=ask_before_deletion,
        args=(place, run_ids),
        disabled=not run_ids,
        help="Shows what would be lost, and asks before anything is deleted.",
    )


def _draw_answer(place: str, suffix: str, run_ids: list[str]) -> None:
    """Draw the question about the deletion of these runs, or the report of what was done."""
    draw_outcome(place)
    to_delete = [run_id for run_id in asked_to_delete(place) if run_id in run_ids]
    if to_delete:
        _confirm(place, suffix, to_delete)


def _confirm(place: str, suffix: str, run_ids: list[str]) -> None:
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
        st.dataframe(table, hide_index=True, key=f"goes{suffix}", column_config=columns, alt=alt)
        st.caption(
            f"In total {sum(rows):,} rows of the store, and {sum(files):d} files of networks with {sum(sizes) / 1e6:,.2f} MB. "
            "Saved results of the attack lab are not deleted. A run that is being trained cannot be deleted. The command under "
            "“Reproduce this run” trains a run again."
        )
        with st.container(horizontal=True):
            st.button(
                "Delete permanently",
                key=f"delete_for_good{suffix}",
                type="primary",
                on_click=delete,
                args=(place, run_ids),
            )
            st.button("Cancel", key=f"delete_not{suffix}", on_click=ask_before_deletion, args=(place, []))
