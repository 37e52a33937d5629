"""The layers page: the stages of the network at which collapse forms, and those that resist an attack.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.pages.layers import draw_layers
from rnc.ui.selection import current_selection

selection = current_selection()
figures = PageFigures("Collapse along the network", selection.split_and_run_if_single)
values = opened_store.reader().metrics.layers(
    selection.runs, selection.clean_and_condition, selection.split, selection.epoch
)
if values.empty:
    st.info(
        f"No stage of the selected runs was measured on {escape_markdown(selection.split.images)} up to the selected epoch. "
        "Select a later epoch, or train with --layerwise-epochs measured."
    )
    st.stop()
log = st.toggle(
    "Log axes",
    True,
    key="log",
    bind="query-params",
    help="Draw metrics that approach 0 on a logarithmic axis.",
)
draw_layers(figures, selection, values, log=log)
figures.draw_export_menu()
