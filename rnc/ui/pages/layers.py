"""The panels of the layers page.

Tested by tests/pages/test_pages.py.
"""

import pandas as pd
import streamlit as st

from rnc.conditions import condition_in_words
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.curves import layer_panel
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_labels import describe_epochs
from rnc.ui.selection import Selection, run_colours, selected_runs
from rnc.vocabulary import METRIC_INFO, Metric


def draw_layers(figures: PageFigures, selection: Selection, values: pd.DataFrame, *, log: bool) -> None:
    """Draw NC1 and nearest-centre accuracy against depth, from the rows of `reader.metrics.layers`."""
    runs, conditions = selected_runs(selection), selection.clean_and_condition
    values = values.assign(run=values["run_id"].map(runs["label"]))
    if values[values["shown"] == selection.condition_name]["layer"].nunique() < 2:
        st.info(
            "The stages of a network are measured on clean and perturbed images only. Under "
            f"{escape_markdown(condition_in_words(selection.condition_name))}, only the features of the penultimate layer are "
            "drawn."
        )
    colours = run_colours(runs)
    st.html(curve_legend(colours, conditions))
    for column, metric in zip(st.columns(2), (Metric.NC1, Metric.NCC_ACCURACY), strict=True):
        panel = layer_panel(values[values["metric"] == metric], metric, colours, conditions, log=log)
        figures.draw(column, panel, f"{METRIC_INFO[metric].label} along the network", key=f"layers_{metric}")
    drawn = values.drop_duplicates("run_id")
    epochs = describe_epochs(dict(zip(drawn["run"], drawn["epoch"], strict=True)))
    st.caption(
        f"Measured on {escape_markdown(selection.split.images)}, {epochs}. NC1 is measured around the class means of each "
        "condition, nearest-centre accuracy with the clean class means of the training images. The attack is made against the "
        "whole network, not against a stage."
    )
