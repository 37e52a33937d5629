"""The home page: the verdicts on the paper's claims for the selected runs, with the numbers and links to the evidence.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.ui.figures import PageFigures
from rnc.ui.pages.findings import draw_cards, draw_matrix, judged, name_unjudged_runs
from rnc.ui.selection import current_selection, selected_runs

selection = current_selection()
runs = selected_runs(selection)
figures = PageFigures("What an attack does to a network's geometry")
st.markdown(
    "The claims of *On the Robustness of Neural Collapse and the Neural Collapse of Robustness* (Su, Zhang, Tsilivis, Kempe; "
    "TMLR 2024), tested on the selected runs, each at its last measured epoch up to the one selected in the sidebar."
)
name_unjudged_runs(runs)
judgements, sql = judged(tuple(selection.runs), selection.epoch)
draw_matrix(judgements, runs["label"])
draw_cards(figures, judgements, runs, sql)
figures.draw_export_menu()
