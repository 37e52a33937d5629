"""Changes to runs: tags, a note, archiving, and deletion after a summary of what will be lost."""

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from rnc.store.compact import compact
from rnc.store.connection import StoreError
from rnc.store.run_annotations import LONGEST_NOTE, MOST_TAGS, networks_of
from rnc.ui import state
from rnc.ui.errors import show_error
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.readonly import READONLY_MESSAGE, ReadOnlyError, is_readonly

_OUTCOME, _CONDEMNED = "runs_outcome", "runs_condemned"
_WORTH_COMPACTING = 2**20  # bytes


def draw_outcome() -> None:
    """Show the outcome of the last action once."""
    for kind, text in st.session_state.pop(_OUTCOME, []):
        if kind == "error":
            show_error(text)
        else:
            st.success(escape_markdown(text, MAX_MESSAGE_LENGTH))


def draw_room() -> None:
    """Offer to compact the store's file if much of it is unused, because DuckDB does not shrink it when runs are deleted."""
    if is_readonly() or (unused := state.reader().unused_bytes()) < _WORTH_COMPACTING:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{unused / 1e6:,.0f} MB of the store's file hold nothing: rows that were there were replaced or deleted."
        )
        st.button(
            "Compact the store", on_click=_compact, key="compact", icon=":material/compress:",
            help="writes the file anew beside itself, compares the two and swaps them; trainings and pages wait meanwhile",
        )  # fmt: skip


def draw_marks(run: pd.Series, known: list[str]) -> None:
    """Draw tags and note of a run, editable if the run may be changed; `known` are the tags of other runs."""
    st.subheader("Tags and note", anchor=False)
    fixed = (
        READONLY_MESSAGE
        if is_readonly()
        else "Runs of the gallery come with the project and cannot be changed."
        if run["published"]
        else ""
    )
    if fixed:
        st.text("\n".join(filter(None, [", ".join(run["tags"]), run["note"]])) or "none")
        st.caption(fixed)
        return
    # The key depends on the stored values, so that the fields are reset when another window has changed them.
    key = f"{run['run_id']}_{hash((*run['tags'], run['note']))}"
    with st.form("marks", border=False):
        st.multiselect(
            "Tags", sorted({*known, *run["tags"]}), default=run["tags"], key=f"tags_{key}", accept_new_options=True,
            max_selections=MOST_TAGS, placeholder="choose or type",
        )  # fmt: skip
        st.text_area("Note", run["note"], key=f"note_{key}", max_chars=LONGEST_NOTE, height=100)
        st.form_submit_button(
            "Save", key="save_marks", icon=":material/save:", on_click=_save, args=(run["run_id"], key)
        )


def draw_upkeep(runs: pd.DataFrame, picked: str) -> None:
    """Offer to archive, restore or delete runs of the store, initially the chosen one."""
    own = runs[~runs["published"]]
    if is_readonly() or own.empty:
        return
    st.subheader("Archive or delete", anchor=False)
    ids = list(own["run_id"])
    touched = st.multiselect(
        "Runs to archive or delete", ids, [picked] if picked in ids else [], key=f"touched_{picked}",
        label_visibility="collapsed", placeholder="choose runs of the store",
    )  # fmt: skip
    rows = own[own["run_id"].isin(touched)]
    shown, away = list(rows[~rows["archived"]]["run_id"]), list(rows[rows["archived"]]["run_id"])
    with st.container(horizontal=True):
        st.button(
            "Archive", key="archive", icon=":material/archive:", on_click=_archive, args=(shown, True), disabled=not shown,
            help="out of sight, and nothing else",
        )  # fmt: skip
        if away:
            st.button("Bring back", key="unarchive", icon=":material/unarchive:", on_click=_archive, args=(away, False))
        st.button(
            "Delete …", key="delete", icon=":material/delete:", on_click=_condemn, args=(touched,), disabled=not touched
        )
    condemned = [run_id for run_id in st.session_state.get(_CONDEMNED, []) if run_id in touched]
    if condemned:
        _confirm(condemned)


def _confirm(condemned: list[str]) -> None:
    """Show what would be deleted, and ask for confirmation."""
    reader = state.reader()
    with st.container(border=True):
        st.markdown(f"**Delete {len(condemned)} run{'s' if len(condemned) > 1 else ''} for good?** This goes:")
        try:
            held = [networks_of(reader.path, run_id) for run_id in condemned]
        except (StoreError, OSError) as error:
            show_error(str(error))
            return
        rows = [int(reader.rows_of(run_id)["rows"].sum()) for run_id in condemned]
        files, sizes = zip(*held, strict=True)
        goes = pd.DataFrame({"run": condemned, "rows": rows, "files": files, "MB": [size / 1e6 for size in sizes]})
        number = {
            "rows": st.column_config.NumberColumn(format="localized"),
            "MB": st.column_config.NumberColumn(format="%.2f"),
        }
        st.dataframe(
            goes, hide_index=True, key="goes", column_config=number, alt="What deleting would remove, a row a run"
        )
        st.caption(
            f"{sum(rows):,} rows of the store, {sum(files):d} files of networks with {sum(sizes) / 1e6:,.2f} MB. Results of the "
            "lab that were kept stay. A run that is being trained is refused. The command beside its config trains it again."
        )
        with st.container(horizontal=True):
            st.button("Delete for good", key="delete_for_good", type="primary", on_click=_delete, args=(condemned,))
            st.button("Keep", key="delete_not", on_click=_condemn, args=([],))


def _save(run_id: str, key: str) -> None:
    tags, note = st.session_state[f"tags_{key}"], st.session_state[f"note_{key}"]
    _attempt([(f"Saved for {run_id}.", partial(_annotate_one, run_id, tags, note))])


def _annotate_one(run_id: str, tags: list[str], note: str) -> None:
    state.writer().annotate(run_id, tags, note)


def _archive(run_ids: list[str], archived: bool) -> None:
    word = f"{len(run_ids)} archived; “Show archived runs” in the filter shows them." if archived else "Back in sight."
    if _attempt([(word, partial(_archive_all, run_ids, archived))]) and archived:
        _unchoose(run_ids)


def _archive_all(run_ids: list[str], archived: bool) -> None:
    state.writer().archive(run_ids, archived)


def _compact() -> None:
    _attempt([("The store is compacted.", _compact_store)])


def _compact_store() -> None:
    compact(state.writer().path)


def _condemn(run_ids: list[str]) -> None:
    st.session_state[_CONDEMNED] = run_ids


def _delete(run_ids: list[str]) -> None:
    gone = _attempt([(f"{run_id} is deleted.", partial(_delete_one, run_id)) for run_id in run_ids])
    _unchoose([run_ids[place] for place in gone])
    _condemn([])


def _delete_one(run_id: str) -> None:
    state.writer().delete_run(run_id)


def _unchoose(run_ids: list[str]) -> None:
    st.session_state["runs"] = [run_id for run_id in st.session_state.get("runs", []) if run_id not in run_ids]


def _attempt(steps: list[tuple[str, Callable[[], None]]]) -> list[int]:
    """Run each step and record its outcome for the page; return the positions of the successful steps."""
    done, outcome = [], []
    for place, (word, step) in enumerate(steps):
        try:
            step()
        except (StoreError, ReadOnlyError, ValueError) as error:
            outcome.append(("error", str(error)))
        else:
            done.append(place)
            outcome.append(("done", word))
    st.session_state[_OUTCOME] = outcome
    return done
