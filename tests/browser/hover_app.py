"""A script for Streamlit that draws curves of runs with the names that it is given, as the pages do."""

import json
import os

import pandas as pd
import streamlit as st

from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.palette import RUN_COLOURS
from rnc.ui.figures import draw_chart
from rnc.ui.playable_sliders import chart_options_for_choosing_epoch
from rnc.ui.style import STYLE
from rnc.vocabulary import Metric

RUNS = json.loads(os.environ["RNC_TEST_TEXTS"])
COLOURS = dict(zip(RUNS, RUN_COLOURS.values(), strict=False))
rows = [
    (run, "clean", run, "clean", epoch, (place + 1) / (1 + epoch * (1 + place % 2)))
    for place, run in enumerate(RUNS)
    for epoch in (0, 1, 4, 10, 30)
    if epoch < 30 or place % 2
]
values = pd.DataFrame(rows, columns=["run", "shown", "run_id", "condition", "epoch", "value"])
cursor = int(st.session_state.get("cursor_to", 10))
st.html(STYLE)
st.html(curve_legend(COLOURS, ["clean"]))
panel = Curves(COLOURS, ["clean"], cursor).panel(values, Metric.NC1)
draw_chart(st.container(), panel, "curves", **chart_options_for_choosing_epoch("curves"))
st.html(curve_legend(COLOURS, []))  # of other panels
st.text(f"cursor at {cursor}")
if st.button("Back to 10"):
    st.session_state["cursor_to"] = 10
    st.rerun()
st.html('<div style="height:2000px">a page that scrolls</div>')
st.title("done")
