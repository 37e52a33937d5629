"""The home page: an introduction, and the verdicts on the paper's claims for the selected runs, with numbers and evidence.

Tested by tests/pages/test_findings.py.
"""

import streamlit as st

from rnc.ui.figures import PageFigures
from rnc.ui.pages.findings import draw_cards, findings_of, name_finished_runs_judged_early, name_unjudged_runs
from rnc.ui.pages.home_introduction import draw_doors, draw_introduction
from rnc.ui.pages.verdict_tiles_and_table import HOW_TO_READ_TILES, draw_matrix, tally, verdict_tiles
from rnc.ui.selection import current_selection, selected_runs

selection = current_selection()
runs = selected_runs(selection)
figures = PageFigures("What an attack does to a network's geometry")
introduction = st.expander("What you see here", expanded=True, key="introduction", bind="query-params")
if introduction.open:
    with introduction:
        draw_introduction(tuple(selection.runs), selection.epoch)
name_unjudged_runs(runs)
findings = findings_of(tuple(selection.runs), selection.epoch, tuple(runs["colour"]))
name_finished_runs_judged_early(findings)
st.markdown(f"{tally(findings.judgements)} {HOW_TO_READ_TILES}")
st.html(verdict_tiles(findings.judgements, dict(runs["label"])))
st.caption(
    "The claims of *On the Robustness of Neural Collapse and the Neural Collapse of Robustness* (Su, Zhang, Tsilivis, Kempe; "
    "TMLR 2024), tested on the selected runs, each at its last measured epoch up to the one selected in the sidebar. A bar shows "
    "how far a claim's deciding number is from its bound, in the middle of the bar. A claim's card has its evidence and the "
    "source of its bounds, too."
)
if introduction.open:
    draw_doors(runs)
draw_matrix(findings.matrix)
draw_cards(figures, findings.cards, runs)
figures.draw_export_menu()
