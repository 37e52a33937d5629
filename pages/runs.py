"""The runs page: the table of runs, the run that is opened in it, training, and the selected runs' configs side by side."""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.run_filter import clear_filter, current_filter
from rnc.ui.runs import sweep_progress
from rnc.ui.runs.config_diff import draw_differences
from rnc.ui.runs.deletion import draw_archive_or_delete_many
from rnc.ui.runs.demo_training_menu import draw_started_training, draw_train_menu
from rnc.ui.runs.open_run_panel import draw_open_run
from rnc.ui.runs.save_archive_delete import draw_compaction, draw_outcome
from rnc.ui.runs.table import draw_counts, draw_left_out, draw_table
from rnc.ui.selection import current_selection, selected_runs

selection = current_selection(may_be_empty=True)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    st.title("Runs", width="content")
    draw_train_menu()
all_runs = opened_store.reader().runs.all()
run_filter = current_filter(all_runs)
runs = all_runs[run_filter.matches(all_runs)]
draw_counts(all_runs, runs, run_filter)
draw_outcome("page")
draw_started_training()
draw_compaction()
draw_left_out(opened_store.reader().left_out())
sweep_progress.draw(opened_store.reader())
if runs.empty:
    st.info("No run matches the filter in the sidebar.", icon=":material/filter_list_off:")
    st.button("Clear the filter", on_click=clear_filter, key="clear_filter_here")
else:
    draw_table(runs)
draw_open_run(all_runs, runs)
draw_differences(selected_runs(selection))
draw_archive_or_delete_many(runs)
