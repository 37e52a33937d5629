"""The runs page: the runs in the store, the command that repeats each, config differences, tags and notes."""

import json

import pandas as pd
import streamlit as st

from rnc.store.run_card import train_command
from rnc.ui import state
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, escape_markdown
from rnc.ui.readonly import displayed_path
from rnc.ui.run_filter import clear_filter, current_filter
from rnc.ui.runs import sweep_progress
from rnc.ui.runs.annotate_and_delete import draw_marks, draw_outcome, draw_room, draw_upkeep
from rnc.ui.runs.config_diff import draw_differences
from rnc.ui.runs.table import draw_table

MOST_LEFT_OUT_NAMED = 10

selection = state.current_selection(may_be_empty=True)
st.title("Runs")
every = state.reader().runs()
asked = current_filter(every)
runs = every[asked.matches(every)]
own, hidden = int((~every["published"]).sum()), int((every["archived"] & ~asked.archived).sum())
st.caption(
    f"{len(runs)} of {len(every)} runs: {own:d} in {escape_markdown(displayed_path(state.reader().path))}, "
    f"{len(every) - own:d} in the "
    f"gallery that comes with the project{f'; {hidden:d} archived' if hidden else ''}"
)
draw_outcome()
draw_room()
left_out = state.reader().left_out()
for name, reason in list(left_out.items())[:MOST_LEFT_OUT_NAMED]:
    st.caption(f"Published run {escape_markdown(name)} is left out: {escape_markdown(reason, MAX_MESSAGE_LENGTH)}.")
if len(left_out) > MOST_LEFT_OUT_NAMED:
    st.caption(f"{len(left_out) - MOST_LEFT_OUT_NAMED:,d} more published runs are left out.")
sweep_progress.draw(state.reader())
if runs.empty:
    st.info("No run is found by the filter in the sidebar.", icon=":material/filter_list_off:")
    st.button("Clear the filter", on_click=clear_filter, key="clear_filter_here")
    st.stop()
draw_table(runs)
draw_differences(state.selected_runs(selection))

st.subheader("One run", anchor=False)
there = list(runs["run_id"])
first = next((there.index(run_id) for run_id in selection.runs if run_id in there), 0)  # a chosen run if possible
picked = st.selectbox("Config of", there, first, key="config_of", bind="query-params")
run = runs.set_index("run_id", drop=False).loc[picked]
left, right = st.columns([2, 3])
with left:
    draw_marks(run, [tag for tags in every["tags"] for tag in tags])
left.subheader("Config", anchor=False)
left.json(json.loads(run["config"]), expanded=2)  # the config contains the names of all classes, possibly a thousand
right.subheader("Make it again", anchor=False)
if run["synthetic"]:
    right.caption("Made up by `python -m tests.benchmarks.synthetic`: no command trains to these numbers.")
else:
    right.code(train_command(json.loads(run["config"])), language="bash", wrap_lines=True)
right.subheader("Measured under", anchor=False)
conditions = state.reader().conditions([picked])
right.dataframe(conditions[["role", "condition", "epsilon", "step_size", "steps", "label_rule"]], hide_index=True)
spent = state.reader().costs(picked)[["attack", "step", "measurement", "store"]].T[0]
if spent.notna().all():
    right.subheader("Where its time went", anchor=False)
    shown = pd.DataFrame({"part": spent.index, "seconds": spent.values, "share": spent.values / spent.sum()})
    share = st.column_config.ProgressColumn(format="percent", max_value=1.0)
    seconds = st.column_config.NumberColumn(format="%.1f")
    right.dataframe(shown, hide_index=True, key="costs", column_config={"share": share, "seconds": seconds})
right.subheader("Made with", anchor=False)
made = run[["device", "execution", "git_commit", "threads"]].dropna().astype(str).to_dict()
right.json({**made, **json.loads(run["versions"])}, expanded=True)
draw_upkeep(runs, picked)
