"""How collapse forms over epochs, and what each condition does to it."""

import pandas as pd
import streamlit as st

from rnc import controls
from rnc.charts.curves import Curves
from rnc.charts.labels import METRIC_INFO
from rnc.charts.legend import curve_legend
from rnc.charts.seeds import over_seeds, smoothed, summary
from rnc.figure_view import Figures
from rnc.vocabulary import Metric, Role, Split

PANELS = (
    Metric.NC1,
    Metric.NC2_EQUINORM,
    Metric.NC2_EQUIANGULARITY,
    Metric.NC3,
    Metric.NC4,
    Metric.ACCURACY,
)

selection = controls.selection()
runs = controls.chosen_runs(selection)
reader = controls.reader()
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
bound = {"bind": "query-params"}
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    log = st.toggle("Log values", True, key="log", help="for metrics that go towards 0", **bound)
    log_epochs = st.toggle("Log epochs", True, key="log_epochs", **bound)
    together = st.toggle("Average seeds", True, key="seeds", help="mean ± std, the single seeds faint", **bound)
    weight = st.slider(
        "Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", help="raw values stay, faint", width=220, **bound
    )
if not shown:
    st.info("Choose at least one condition.")
    st.stop()

names = controls.labels_over_seeds(runs) if together else dict(runs["label"])
labels = list(dict.fromkeys(names.values()))
own = reader.curves(selection.runs, shown, selection.split, list(PANELS))
angles = reader.against_clean(selection.runs, shown, selection.split, [Metric.ANGLE])
nearest = reader.against_clean(selection.runs, shown, selection.split, [Metric.NCC_ACCURACY], Split.TRAIN)
marks = reader.milestones(selection.runs)
curves = Curves(labels, shown, selection.epoch, log, log_epochs, marks.assign(run=marks["run_id"].map(names)))
st.html(curve_legend(labels, shown))
sources = dict.fromkeys(PANELS, own) | {Metric.ANGLE: angles, Metric.NCC_ACCURACY: nearest}
metrics = list(sources)
for pair in zip(metrics[::2], metrics[1::2], strict=True):
    for column, metric in zip(st.columns(2), pair, strict=True):
        source = sources[metric]
        raw = source[source["metric"] == metric].assign(run=lambda f: f["run_id"].map(names))
        lines = smoothed(raw, weight) if weight else raw
        averaged = over_seeds(lines) if len(labels) < len(runs) else lines
        panel = curves.panel(averaged, metric, None if averaged is raw else raw)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} over epochs", averaged, key=f"curve_{metric}")
st.caption(
    f"{selection.split} images. Solid lines are clean. The dashed rule is the epoch cursor, grey bars are drops of the learning "
    "rate, a triangle is where a run's terminal phase starts (99.9 % train accuracy on what it trains on). The angle is "
    "to the clean class means of the same split, nearest centres are the clean class means of train; log axes leave out zeros."
)
st.subheader("In numbers", anchor=False, help="Mean and standard deviation over seeds; the best is each seed's own.")
told = pd.concat([own, angles, nearest]).assign(run=lambda f: f["run_id"].map(names))
number = {name: st.column_config.NumberColumn(format="%.4g") for name in ("at cursor", "last", "best")}
st.dataframe(summary(told, selection.epoch), hide_index=True, key="summary", column_config=number)
figures.offer()
