"""The collapse page: how collapse develops over epochs, and how each condition affects it."""

import streamlit as st

from rnc.ui import state
from rnc.ui.charts.aggregate import over_seeds, smoothed, summary
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.downsampling import THINNED, is_long
from rnc.ui.charts.labels import METRIC_INFO
from rnc.ui.charts.legend import curve_legend
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_labels import labels_over_seeds
from rnc.vocabulary import Metric, Role

# The metrics that are drawn, and the class means around which they are measured. This is a comment because Streamlit would
# print a docstring here on the page.
PANELS = {
    Metric.NC1: "own",
    Metric.NC2_EQUINORM: "own",
    Metric.NC2_EQUIANGULARITY: "own",
    Metric.NC3: "own",
    Metric.NC4: "own",
    Metric.ACCURACY: "own",
    Metric.ANGLE: "clean",
    Metric.NCC_ACCURACY: "train clean",
}

selection = state.current_selection()
runs = state.selected_runs(selection)
reader = state.reader()
figures = PageFigures("Collapse over epochs")

options = list(dict.fromkeys([str(Role.CLEAN), selection.condition_name, *state.condition_names(selection.runs)]))
shown = st.pills(
    "Conditions",
    options,
    selection_mode="multi",
    default=[str(Role.CLEAN), selection.condition_name],
    key="conditions",
    format_func=escape_markdown,
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

names = labels_over_seeds(runs) if together else dict(runs["label"])
labels = list(dict.fromkeys(names.values()))
found = reader.over_epochs(selection.runs, shown, selection.split, PANELS)
marks = reader.milestones(selection.runs)
curves = Curves(labels, shown, selection.epoch, log, log_epochs, marks.assign(run=marks["run_id"].map(names)))
st.html(curve_legend(labels, shown))
found = found.assign(run=found["run_id"].map(names))
metrics = list(PANELS)
for pair in zip(metrics[::2], metrics[1::2], strict=True):
    for column, metric in zip(st.columns(2), pair, strict=True):
        raw = found[found["metric"] == metric]
        lines = smoothed(raw, weight) if weight else raw
        averaged = over_seeds(lines) if len(labels) < len(runs) else lines
        panel = curves.panel(averaged, metric, None if averaged is raw else raw)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} over epochs", averaged, key=f"curve_{metric}")
st.caption(
    f"{escape_markdown(selection.split)} images. Solid lines are clean. The dashed rule is the epoch cursor, at epoch "
    f"{selection.epoch:d}; grey bars are drops of the learning rate, a triangle is where a run's terminal phase "
    f"starts (99.9 % train accuracy on what "
    "it trains on). The angle is to the clean class means of the same split, nearest centres are the clean class means of train; "
    "log axes leave out zeros." + (f" {THINNED}" if is_long(found[found["metric"] == Metric.ACCURACY]) else "")
)
st.header("In numbers", anchor=False, help="Mean and standard deviation over seeds; the best is each seed's own.")
number = {name: st.column_config.NumberColumn(format="%.4g") for name in ("at cursor", "last", "best")}
told = summary(found, selection.epoch).replace({"metric": {str(m): METRIC_INFO[m].label for m in metrics}})
st.dataframe(told, hide_index=True, key="summary", column_config=number)
figures.draw_export_menu()
