"""The collapse page: how collapse develops over epochs, and how each condition affects it.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.ui.figures import PageFigures
from rnc.ui.pages.collapse import choose_conditions, choose_curve_options, draw_curves, draw_summary, read_curves
from rnc.ui.selection import current_selection

selection = current_selection()
figures = PageFigures("Collapse over epochs", selection.split_and_run_if_single)
conditions = choose_conditions(selection)
options = choose_curve_options()
if not conditions:
    st.info("Select at least one condition.")
    st.stop()
curves = read_curves(tuple(selection.runs), tuple(conditions), selection.split, options)
draw_curves(figures, selection, conditions, options, curves)
draw_summary(curves.at_epoch_last_and_best(selection.epoch))
figures.draw_export_menu()
