"""The runs page: the runs in the store, config differences, and one run with its command, tags, conditions and time."""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.run_filter import clear_filter, current_filter
from rnc.ui.runs import sweep_progress
from rnc.ui.runs.changes import draw_compaction, draw_deletion, draw_outcome
from rnc.ui.runs.config_diff import draw_differences
from rnc.ui.runs.one_run import choose_from, draw_run
from rnc.ui.runs.table import draw_counts, draw_left_out, draw_table
from rnc.ui.selection import current_selection, selected_runs

selection = current_selection(may_be_empty=True)
st.title("Runs")
all_runs = opened_store.reader().runs.all()
run_filter = current_filter(all_runs)
runs = all_runs[run_filter.matches(all_runs)]
draw_counts(all_runs, runs, run_filter)
draw_outcome()
draw_compaction()
draw_left_out(opened_store.reader().left_out())
sweep_progress.draw(opened_store.reader())
if runs.empty:
    st.info("No run matches the filter in the sidebar.", icon=":material/filter_list_off:")
    st.button("Clear the filter", on_click=clear_filter, key="clear_filter_here")
    st.stop()
draw_table(runs)
draw_differences(selected_runs(selection))
run = choose_from(runs, selection)
draw_run(run, known_tags=[tag for tags in all_runs["tags"] for tag in tags])
draw_deletion(runs, run["run_id"])
