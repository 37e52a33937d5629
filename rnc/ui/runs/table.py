"""The table of runs: identity, progress, and the user's tags and notes, with the counts above it.

Tested by tests/pages/test_runs.py.
"""

from typing import Any

import pandas as pd
import streamlit as st

from rnc.durations import in_words
from rnc.ui import opened_store
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.readonly import displayed_path
from rnc.ui.run_filter import RunFilter
from rnc.ui.run_labels import run_labels
from rnc.ui.runs.which_run_is_open import table_arguments_for_opening_runs
from rnc.vocabulary import SYNTHETIC

_COLUMNS = {
    "state": st.column_config.TextColumn(width=85),
    "epochs": st.column_config.TextColumn(width=70, help="Epochs done, and epochs in the config"),
    "dataset": st.column_config.TextColumn("data", width=85),
    "model": st.column_config.TextColumn("network", width=115),
    "epsilon": st.column_config.NumberColumn("ε", width=60, format="%.3g", help="Size of the attack, in its norm"),
    "tags": st.column_config.ListColumn(width=110),
    "note": st.column_config.TextColumn(width=120),
    "origin": st.column_config.TextColumn(
        width=65, help="This store, the built-in gallery, or synthetic (generated numbers)"
    ),
    "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", width=125),
    "took": st.column_config.TextColumn(width=60),
    "error": st.column_config.TextColumn(width="medium"),
    "run_id": st.column_config.TextColumn("id", width=330),
}
_OPTIONAL = ("tags", "note", "took", "error")
_MOST_LEFT_OUT_NAMED = 10
_ROW_PIXELS, _HEADER_PIXELS, _MOST_ROWS_SHOWN = 35, 38, 10
_LABEL, _PIXELS_OF_LETTER, _MARGIN_PIXELS = "label", 6.5, 24
_LABEL_PIXELS = (110, 580)
"""The least and the largest width of the column of labels. In a window that is too narrow for it, it scrolls with the others."""


@cached_until_store_changes
def run_table(run_ids: tuple[str, ...]) -> pd.DataFrame:
    """Return the table of these runs, in their order, without optional columns that would be empty."""
    runs = opened_store.reader().runs.all().set_index("run_id", drop=False).loc[list(run_ids)].reset_index(drop=True)
    origins = runs["synthetic"].map({True: SYNTHETIC, False: "store"}).mask(runs["published"].astype(bool), "gallery")
    table = pd.DataFrame(
        {
            "label": runs["run_id"].map(run_labels(runs)),
            "state": runs["state"] + runs["archived"].map({True: ", archived", False: ""}),
            "epochs": runs["epochs_done"].astype(str) + " / " + runs["epochs"].astype(str),
            "dataset": runs["dataset"],
            "model": runs["model"],
            "epsilon": pd.to_numeric(runs["epsilon"], errors="coerce") if "epsilon" in runs else None,
            "tags": runs["tags"],
            "note": runs["note"].str.split("\n").str[0],
            "origin": origins,
            "started": runs["started_at"],
            "took": runs["wall_seconds"].map(in_words, na_action="ignore").fillna(""),
            "error": runs["error"].fillna(""),
            "run_id": runs["run_id"],
        }
    )
    return table.drop(columns=[name for name in _OPTIONAL if not table[name].str.len().any()])


def draw_counts(all_runs: pd.DataFrame, runs: pd.DataFrame, run_filter: RunFilter) -> None:
    """State how many runs match the filter, where they come from, and how many are hidden because they are archived."""
    published = int(all_runs["published"].sum())
    stored = len(all_runs) - published
    hidden = int((all_runs["archived"] & ~run_filter.archived).sum())
    matching = f"{len(runs)} of {len(all_runs)} runs match the filter. " if run_filter.has_criteria else ""
    in_gallery = f", {published:,d} in the built-in gallery" if published else ""
    archived = f"; {hidden:,d} archived" if hidden else ""
    path = escape_markdown(displayed_path(opened_store.reader().path))
    st.caption(f"{matching}Runs: {stored:,d} in the store {path}{in_gallery}{archived}")


def draw_left_out(left_out: dict[str, str]) -> None:
    """Name published runs that cannot be shown, with the reason."""
    for name, reason in list(left_out.items())[:_MOST_LEFT_OUT_NAMED]:
        st.caption(f"Published run {escape_markdown(name)} is left out: {escape_markdown(reason, MAX_MESSAGE_LENGTH)}.")
    if len(left_out) > _MOST_LEFT_OUT_NAMED:
        st.caption(f"{len(left_out) - _MOST_LEFT_OUT_NAMED:,d} more published runs are left out.")


def draw_table(runs: pd.DataFrame) -> None:
    """Draw the runs that match the filter; a click in a row opens its run.

    The line above the table leaves room for the table's toolbar, which would cover a button there.
    """
    run_ids = list(runs["run_id"])
    table = run_table(tuple(run_ids))
    st.caption(":material/ads_click: Click a row to open its run: tags, command, config, conditions, deletion.")
    st.dataframe(
        table,
        hide_index=True,
        height=_HEADER_PIXELS + _ROW_PIXELS * min(len(run_ids), _MOST_ROWS_SHOWN),
        column_config=_COLUMNS | {_LABEL: _column_of_labels(table[_LABEL])},
        alt="The runs that match the filter, one per row; selecting a cell opens the run of its row",
        **table_arguments_for_opening_runs(run_ids, _LABEL),
    )


def _column_of_labels(labels: pd.Series) -> Any:
    """Return the column of the runs' labels, as wide as the longest one."""
    least, most = _LABEL_PIXELS
    needed = _MARGIN_PIXELS + _PIXELS_OF_LETTER * labels.str.len().max()
    width = int(min(max(needed, least), most))
    return st.column_config.TextColumn("run", width=width, pinned=True, help="Click a row to open its run")
