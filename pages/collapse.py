"""How collapse forms over epochs, and what each condition does to it."""

import streamlit as st

from rnc import controls
from rnc.charts.curves import curve_panel
from rnc.charts.labels import METRIC_INFO
from rnc.charts.legend import curve_legend
from rnc.figure_view import Figures
from rnc.vocabulary import Metric, Role

PANELS = (
    Metric.NC1,
    Metric.NC2_EQUINORM,
    Metric.NC2_EQUIANGULARITY,
    Metric.NC3,
    Metric.NC4,
    Metric.ACCURACY,
)
ALIGNED = (Metric.ANGLE, Metric.NCC_ACCURACY)

selection = controls.selection()
runs = controls.chosen_runs(selection)
figures = Figures("Collapse over epochs")

options = list(dict.fromkeys([str(Role.CLEAN), selection.shown, *controls.conditions_shown(selection)]))
shown = st.pills(
    "Conditions",
    options,
    selection_mode="multi",
    default=[str(Role.CLEAN), selection.shown],
    key="conditions",
    bind="query-params",
)
log = st.toggle("Log axes", True, key="log", bind="query-params", help="for metrics that go towards 0")
if not shown:
    st.info("Choose at least one condition.")
    st.stop()

labels = list(runs["label"])
own = controls.reader().curves(selection.runs, shown, selection.split, list(PANELS))
clean = controls.reader().against_clean(selection.runs, shown, selection.split, list(ALIGNED))
st.html(curve_legend(labels, shown))
metrics = [*PANELS, *ALIGNED]
for pair in zip(metrics[::2], metrics[1::2], strict=True):
    for column, metric in zip(st.columns(2), pair, strict=True):
        source = own if metric in PANELS else clean
        frame = source[source["metric"] == metric].assign(run=lambda f: f["run_id"].map(runs["label"]))
        panel = curve_panel(frame, metric, labels, selection.epoch, log=log)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} over epochs", key=f"curve_{metric}")
st.caption(
    f"{selection.split} images. Solid lines are clean. The dashed rule is the epoch cursor. The last two panels measure "
    "against the clean class means of the same split; log axes leave out exact zeros."
)
figures.offer()
