"""The home page: the verdicts on the paper's claims for the chosen runs, with the numbers and links to the evidence."""

import streamlit as st

from rnc.claims import USED, judge
from rnc.ui import state
from rnc.ui.charts.legend import curve_legend
from rnc.ui.figures import PageFigures
from rnc.ui.pages import findings

selection = state.current_selection()
runs = state.selected_runs(selection)
figures = PageFigures("What an attack does to a network's geometry")
st.markdown(
    "The claims of *On the Robustness of Neural Collapse and the Neural Collapse of Robustness* (Su, Zhang, Tsilivis, Kempe; "
    "TMLR 2024), judged on the chosen runs, each at its last measured epoch not after the cursor."
)
findings.tell_unjudged(runs)
evidence = state.reader().evidence(selection.runs, list(USED), selection.epoch, between=findings.BETWEEN)
judgements = judge(runs.reset_index(drop=True), evidence)
findings.draw_matrix(judgements, runs["label"])
st.header("Claim by claim", anchor=False)
st.html(curve_legend(list(runs["label"]), []))
for first in range(0, len(judgements), 2):
    for column, judgement in zip(st.columns(2), judgements[first : first + 2], strict=False):
        with column:
            findings.draw_card(judgement, runs["label"], figures, evidence.attrs.get("sql", ""))
figures.draw_export_menu()
