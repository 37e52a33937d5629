"""The table of runs: identity, progress, and the user's tags and notes."""

import pandas as pd
import streamlit as st

from rnc.durations import in_words
from rnc.vocabulary import SYNTHETIC

_COLUMNS = {
    "run_id": st.column_config.TextColumn("run", width=330, pinned=True),
    "state": st.column_config.TextColumn(width=75),
    "epochs": st.column_config.TextColumn(width=65, help="measured, of those in the config"),
    "tags": st.column_config.ListColumn(width=110),
    "note": st.column_config.TextColumn(width=120),
    "origin": st.column_config.TextColumn(
        width=65, help="this store, the gallery that comes with the project, or made up"
    ),
    "started": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm", width=115),
    "took": st.column_config.TextColumn(width=60),
    "error": st.column_config.TextColumn(width="medium"),
}


def listed(runs: pd.DataFrame) -> pd.DataFrame:
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


def draw_table(runs: pd.DataFrame) -> None:
    """Draw the runs that match the filter."""
    st.dataframe(
        listed(runs), hide_index=True, key="runs_table", column_config=_COLUMNS, alt="The runs found, one a row"
    )


def _origin(run: dict) -> str:
    return "gallery" if run["published"] else SYNTHETIC if run["synthetic"] else "store"
