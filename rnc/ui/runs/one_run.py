"""One run of the runs page: tags and note, config, the command that repeats it, conditions, time, and versions.

Tested by tests/pages/test_runs.py.
"""

import json

import pandas as pd
import streamlit as st

from rnc.store.run_card import train_command
from rnc.ui import opened_store
from rnc.ui.runs.changes import draw_annotations
from rnc.ui.selection import Selection


def choose_from(runs: pd.DataFrame, selection: Selection) -> pd.Series:
    """Let the user choose a run of the table, initially one that is selected in the sidebar, and return its row."""
    st.subheader("One run", anchor=False)
    run_ids = list(runs["run_id"])
    first = next((run_ids.index(run_id) for run_id in selection.runs if run_id in run_ids), 0)
    run_id = st.selectbox("Run", run_ids, first, key="config_of", bind="query-params")
    return runs.set_index("run_id", drop=False).loc[run_id]


def draw_run(run: pd.Series, known_tags: list[str]) -> None:
    """Draw all that the store has about a run besides its measurements; `known_tags` are offered for it."""
    left, right = st.columns([2, 3])
    with left:
        draw_annotations(run, known_tags)
        st.subheader("Config", anchor=False)
        st.json(
            json.loads(run["config"]), expanded=2
        )  # the config contains the names of all classes, possibly a thousand
    with right:
        _draw_command(run)
        _draw_conditions(run["run_id"])
        _draw_time(run["run_id"])
        st.subheader("Versions and device", anchor=False)
        used = run[["device", "execution", "git_commit", "threads"]].dropna().astype(str).to_dict()
        st.json({**used, **json.loads(run["versions"])}, expanded=True)


def _draw_command(run: pd.Series) -> None:
    st.subheader("Reproduce this run", anchor=False)
    if run["synthetic"]:
        st.caption(
            "The numbers of this run are from `python -m tests.benchmarks.synthetic`. No training reproduces them."
        )
    else:
        st.code(train_command(json.loads(run["config"])), language="bash", wrap_lines=True)


def _draw_conditions(run_id: str) -> None:
    st.subheader("Measured under", anchor=False)
    conditions = opened_store.reader().runs.conditions([run_id])
    st.dataframe(conditions[["role", "condition", "epsilon", "step_size", "steps", "label_rule"]], hide_index=True)


def _draw_time(run_id: str) -> None:
    """Draw the share of each part in the run's time, if the run recorded it."""
    seconds = opened_store.reader().runs.costs(run_id)[["attack", "step", "measurement", "store"]].T[0]
    if seconds.isna().any():
        return
    st.subheader("Time by phase", anchor=False)
    table = pd.DataFrame(
        {"phase": seconds.index, "seconds": seconds.to_numpy(), "share": (seconds / seconds.sum()).to_numpy()}
    )
    columns = {
        "share": st.column_config.ProgressColumn(format="percent", max_value=1.0),
        "seconds": st.column_config.NumberColumn(format="%.1f"),
    }
    st.dataframe(table, hide_index=True, key="costs", column_config=columns)
