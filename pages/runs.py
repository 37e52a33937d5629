"""The runs in the store: state, place of origin and config."""

import json

import pandas as pd
import streamlit as st

from rnc import controls
from rnc.store.card import train_command

COLUMNS = [
    "run_id",
    "published",
    "synthetic",
    "state",
    "epochs_done",
    "epochs",
    "started_at",
    "wall_seconds",
    "device",
    "git_commit",
    "error",
]

controls.selection()
st.title("Runs")
runs = controls.reader().runs()
own = int((~runs["published"]).sum())
st.caption(f"{own} runs in `{controls.reader().path}`, {len(runs) - own} in the gallery that comes with the project")
st.dataframe(
    runs[COLUMNS],
    hide_index=True,
    key="runs_table",
    column_config={
        "run_id": st.column_config.TextColumn("run", width=330),
        "published": st.column_config.CheckboxColumn("gallery"),
        "epochs_done": st.column_config.NumberColumn("epochs done"),
        "started_at": st.column_config.DatetimeColumn("started (UTC)", format="YYYY-MM-DD HH:mm"),
        "wall_seconds": st.column_config.NumberColumn("seconds", format="%.0f"),
        "git_commit": "commit",
    },
)
picked = st.selectbox("Config of", list(runs["run_id"]), key="config_of", bind="query-params")
run = runs.set_index("run_id").loc[picked]
left, right = st.columns([2, 3])
left.subheader("Config")
left.json(json.loads(run["config"]), expanded=True)
right.subheader("Make it again")
if run["synthetic"]:
    right.caption("Made up by `python -m train.synthetic`: no command trains to these numbers.")
else:
    right.code(train_command(json.loads(run["config"])), language="bash", wrap_lines=True)
right.subheader("Measured under")
conditions = controls.reader().conditions([picked])
right.dataframe(conditions[["role", "condition", "epsilon", "step_size", "steps", "label_rule"]], hide_index=True)
spent = controls.reader().costs(picked)[["attack", "step", "measurement", "store"]].T[0]
if spent.notna().all():
    right.subheader("Where its time went")
    shown = pd.DataFrame({"part": spent.index, "seconds": spent.values, "share": spent.values / spent.sum()})
    share = st.column_config.ProgressColumn(format="percent", max_value=1.0)
    seconds = st.column_config.NumberColumn(format="%.1f")
    right.dataframe(shown, hide_index=True, key="costs", column_config={"share": share, "seconds": seconds})
right.subheader("Made with")
right.json(
    {"execution": run["execution"], "threads": int(run["threads"]), **json.loads(run["versions"])}, expanded=True
)
