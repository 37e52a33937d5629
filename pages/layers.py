"""The layers page: the stages of the network at which collapse forms, and those that resist an attack."""

import streamlit as st

from rnc.ui import state
from rnc.ui.charts.curves import layer_panel
from rnc.ui.charts.labels import METRIC_INFO
from rnc.ui.charts.legend import curve_legend
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_labels import describe_epochs
from rnc.vocabulary import Metric, Role

selection = state.current_selection()
runs = state.selected_runs(selection)
figures = PageFigures("Collapse along the network")
shown = [str(Role.CLEAN), selection.condition_name]
found = state.reader().layers(selection.runs, shown, selection.split, selection.epoch)
if found.empty:
    st.info(
        f"No stage of the chosen runs is measured on {escape_markdown(selection.split)} images up to the epoch "
        f"cursor; move it, or train "
        "with --layerwise-epochs measured."
    )
    st.stop()
log = st.toggle("Log axes", True, key="log", bind="query-params", help="for metrics that go towards 0")
labels = list(runs["label"])
found = found.assign(run=found["run_id"].map(runs["label"]))
if found[found["shown"] == selection.condition_name]["layer"].nunique() < 2:
    st.info(
        f"Stages are measured under clean and perturbed images only; of {escape_markdown(selection.condition_name)} there are "
        f"the features alone."
    )
st.html(curve_legend(labels, shown))
for column, metric in zip(st.columns(2), (Metric.NC1, Metric.NCC_ACCURACY), strict=True):
    panel = layer_panel(found[found["metric"] == metric], metric, labels, shown, log=log)
    figures.draw(column, panel, f"{METRIC_INFO[metric].label} along the network", key=f"layers_{metric}")
epochs = found.drop_duplicates("run_id").set_index("run")["epoch"]
st.caption(
    f"{escape_markdown(selection.split)} images; "
    + describe_epochs(epochs.to_dict())
    + ". NC1 is around the condition's own class means, nearest-centre accuracy by the clean class means of train. The "
    "attack is made against the whole network."
)
figures.draw_export_menu()
