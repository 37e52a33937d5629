"""The table of runs: identity, progress, and the user's tags and notes, with the counts above it.

Tested by tests/pages/test_runs.py.
"""

import pandas as pd
import streamlit as st

from rnc.durations import in_words
from rnc.ui import opened_store
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.readonly import displayed_path
from rnc.ui.run_filter import RunFilter
from rnc.vocabulary import SYNTHETIC

_COLUMNS = {
    "run_id": st.column_config.TextColumn("run", width=330, pinned=True),
    "state": st.column_config.TextColumn(width=75),
    "epochs": st.column_config.TextColumn(width=65, help="Measured epochs, and epochs in the config"),
    "tags": st.column_config.ListColumn(width=110),
    "note": st.column_config.TextColumn(width=120),
    "origin": st.column_config.TextColumn(
        width=65, help="This store, the built-in gallery, or synthetic (generated numbers)"
    ),
    "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", width=115),
    "took": st.column_config.TextColumn(width=60),
    "error": st.column_config.TextColumn(width="medium"),
}


_MOST_LEFT_OUT_NAMED = 10


def run_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the table of runs (from `reader.runs.all`), without optional columns that would be empty."""
    table = pd.DataFrame(
        {
            "run_id": runs["run_id"],
            "state": runs["state"] + runs["archived"].map({True: ", archived", False: ""}),
            "epochs": runs["epochs_done"].astype(str) + " / " + runs["epochs"].astype(str),
            "tags": runs["tags"],
            "note": runs["note"].str.split("\n").str[0],
            "origin": [_origin(run) for run in runs.to_dict("records")],
            "started": runs["started_at"],
            "took": runs["wall_seconds"].map(in_words, na_action="ignore").fillna(""),
            "error": runs["error"].fillna(""),
        }
    )
    return table.drop(columns=[name for name in ("tags", "note", "took", "error") if not table[name].str.len().any()])


def draw_counts(all_runs: pd.DataFrame, runs: pd.DataFrame, run_filter: RunFilter) -> None:
    """State how many runs match the filter, where they come from, and how many are hidden because they are archived."""
    published = int(all_runs["published"].sum())
    hidden = int((all_runs["archived"] & ~run_filter.archived).sum())
    text = (
        f"{len(runs)} of {len(all_runs)} runs; {len(all_runs) - published:d} are in "
        f"{escape_markdown(displayed_path(opened_store.reader().path))}, {published:d} in the built-in gallery"
    )
    st.caption(f"{text}; {hidden:d} archived" if hidden else text)


def draw_left_out(left_out: dict[str, str]) -> None:
    """Name published runs that cannot be shown, with the reason."""
    for name, reason in list(left_out.items())[:_MOST_LEFT_OUT_NAMED]:
        st.caption(f"Published run {escape_markdown(name)} is left out: {escape_markdown(reason, MAX_MESSAGE_LENGTH)}.")
    if len(left_out) > _MOST_LEFT_OUT_NAMED:
        st.caption(f"{len(left_out) - _MOST_LEFT_OUT_NAMED:,d} more published runs are left out.")


def draw_table(runs: pd.DataFrame) -> None:
    """Draw the runs that match the filter."""
    st.dataframe(
        run_table(runs),
        hide_index=True,
        key="runs_table",
        column_config=_COLUMNS,
        alt="The runs that match the filter, one per row",
    )


def _origin(run: dict) -> str:
    return "gallery" if run["published"] else SYNTHETIC if run["synthetic"] else "store"
