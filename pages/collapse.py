"""The collapse page: how collapse develops over epochs, and how each condition affects it.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.figures import PageFigures
from rnc.ui.pages.collapse import METRICS, choose_conditions, choose_curve_options, draw_curves, draw_summary
from rnc.ui.selection import current_selection

selection = current_selection()
figures = PageFigures("Collapse over epochs")
conditions = choose_conditions(selection)
options = choose_curve_options()
if not conditions:
    st.info("Select at least one condition.")
    st.stop()
values = opened_store.reader().metrics.over_epochs(selection.runs, conditions, selection.split, METRICS)
values = draw_curves(figures, selection, conditions, options, values)
draw_summary(values, selection.epoch)
figures.draw_export_menu()
