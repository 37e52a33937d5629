"""Home: what the chosen runs say of the paper's claims, with the numbers and the way to the evidence."""

import streamlit as st

from rnc import controls, findings_view
from rnc.charts.legend import curve_legend
from rnc.claims import USED, judge
from rnc.figure_view import Figures

selection = controls.selection()
runs = controls.chosen_runs(selection)
figures = Figures("What an attack does to a network's geometry")
st.markdown(
    "The claims of *On the Robustness of Neural Collapse and the Neural Collapse of Robustness* (Su, Zhang, Tsilivis, Kempe; "
    "TMLR 2024), judged on the chosen runs, each at its last measured epoch not after the cursor."
)
findings_view.tell_unjudged(runs)
evidence = controls.reader().evidence(selection.runs, list(USED), selection.epoch, between=findings_view.BETWEEN)
judgements = judge(runs.reset_index(drop=True), evidence)
findings_view.draw_matrix(judgements, runs["label"])
st.header("Claim by claim", anchor=False)
st.html(curve_legend(list(runs["label"]), []))
for first in range(0, len(judgements), 2):
    for column, judgement in zip(st.columns(2), judgements[first : first + 2], strict=False):
        with column:
            findings_view.draw_card(judgement, runs["label"], figures, evidence.attrs.get("sql", ""))
figures.offer()
