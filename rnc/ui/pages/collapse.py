"""The parts of the collapse page: its controls, a panel of curves per metric, and a table of the curves' values.

Tested by tests/pages/test_pages.py.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from rnc.conditions import condition_in_words
from rnc.ui import opened_store
from rnc.ui.charts.averages_and_smoothing import cursor_last_and_best_values, over_seeds, smoothed
from rnc.ui.charts.curve_legend import curve_legend
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.downsampling import THINNING_NOTE, is_long
from rnc.ui.charts.interaction import MOUSE_NOTE
from rnc.ui.charts.mark_explanations import explain_marks
from rnc.ui.condition_controls import choose_several
from rnc.ui.controls_in_address import replace_unavailable_value, tie
from rnc.ui.figures import PageFigures
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.playable_sliders import chart_options_for_choosing_epoch
from rnc.ui.run_labels import labels_over_seeds
from rnc.ui.selection import Selection, condition_names, labelled_runs, run_colours, selected_runs
from rnc.vocabulary import METRIC_INFO, Metric, Split

METRICS = {
    Metric.NC1: "own",
    Metric.NC2_EQUINORM: "own",
    Metric.NC2_EQUIANGULARITY: "own",
    Metric.NC3: "own",
    Metric.NC4: "own",
    Metric.ACCURACY: "own",
    Metric.ANGLE: "clean",
    Metric.NCC_ACCURACY: "train clean",
}
"""The metrics that are drawn, and the class means around which they are measured (`over_epochs` of the store's reader)."""


_CONDITIONS, _FOLLOWED = "conditions", "conditions_of_the_sidebar"
_NO_CONDITION = "was not measured for any of the selected runs."


@dataclass(frozen=True)
class CurveOptions:
    """The user's options for all curves of the page."""

    log_values: bool
    log_epochs: bool
    average_seeds: bool
    smoothing: float
    """The weight of earlier epochs in [0, 1); 0 draws the measured values alone."""


DEFAULT_OPTIONS = CurveOptions(log_values=True, log_epochs=True, average_seeds=True, smoothing=0.0)


def choose_conditions(selection: Selection) -> list[str]:
    """Let the user choose the conditions to draw: clean and the one selected in the sidebar, until the user chooses others."""
    usual: Any = selection.clean_and_condition
    if _CONDITIONS in st.session_state and st.session_state[_CONDITIONS] == st.session_state.get(_FOLLOWED) != usual:
        replace_unavailable_value(_CONDITIONS, usual)
    names = dict.fromkeys([*selection.clean_and_condition, *condition_names(selection.runs)])
    texts = {name: escape_markdown(name) for name in names}
    tied = tie(_CONDITIONS, texts, "the condition", _NO_CONDITION, many=True)
    chosen = choose_several("Conditions", list(names), usual, tied)
    st.session_state[_FOLLOWED] = usual if chosen == usual else None
    return chosen


def choose_curve_options() -> CurveOptions:
    """Draw the switches above the curves, and return what they are set to."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        log_values = st.toggle(
            "Log values",
            DEFAULT_OPTIONS.log_values,
            key="log",
            bind="query-params",
            help="Draw metrics that approach 0 on a logarithmic axis.",
        )
        log_epochs = st.toggle("Log epochs", DEFAULT_OPTIONS.log_epochs, key="log_epochs", bind="query-params")
        average_seeds = st.toggle(
            "Average seeds",
            DEFAULT_OPTIONS.average_seeds,
            key="seeds",
            bind="query-params",
            help="Draw runs that differ only in their seed as a mean with a band of one standard deviation, and each run as a "
            "faint line.",
        )
        smoothing = st.slider(
            "Smoothing",
            0.0,
            0.95,
            DEFAULT_OPTIONS.smoothing,
            0.05,
            key="smoothing",
            bind="query-params",
            help="Weight of earlier epochs in a moving average. The measured values stay visible as faint lines.",
            width=220,
        )
    return CurveOptions(log_values, log_epochs, average_seeds, smoothing)


class CurveValues:
    """The values of the curves of some runs, and the lines to draw for them. Treat the frames as read-only."""

    def __init__(self, values: pd.DataFrame, runs: pd.DataFrame, options: CurveOptions) -> None:
        """Label the values (metric, run_id, shown, condition, epoch, value) and compute the lines of each metric."""
        label_of = labels_over_seeds(runs) if options.average_seeds else dict(runs["label"])
        milestones = opened_store.reader().metrics.milestones(list(runs["run_id"]))
        self.label_of = label_of
        """The label of each run (id), in the order of selection; seeds that are averaged share one."""
        self.milestones = milestones.assign(run=milestones["run_id"].map(label_of))
        self.values = values.assign(run=values["run_id"].map(label_of))
        self.lines: dict[Metric, tuple[pd.DataFrame, pd.DataFrame | None]] = {}
        """By metric: the lines, and the ones from which they were computed (averaged or smoothed) if they were."""
        for metric in METRICS:
            measured = self.values[self.values["metric"] == metric]
            lines = smoothed(measured, options.smoothing) if options.smoothing else measured
            lines = over_seeds(lines) if len({*label_of.values()}) < len(runs) else lines
            self.lines[metric] = lines, None if lines is measured else measured
        self._summaries: dict[int, pd.DataFrame] = {}

    def at_epoch_last_and_best(self, epoch: int) -> pd.DataFrame:
        """Return the table of all metrics (`summary`) at an epoch, the last and the best one."""
        if epoch not in self._summaries:
            self._summaries[epoch] = cursor_last_and_best_values(self.values, epoch)
        return self._summaries[epoch]


@opened_store.cached_until_store_changes
def read_curves(
    run_ids: tuple[str, ...], conditions: tuple[str, ...], split: Split, options: CurveOptions
) -> CurveValues:
    """Return the curves of all metrics of the page."""
    values = opened_store.reader().metrics.over_epochs(list(run_ids), list(conditions), split, METRICS)
    return CurveValues(values, labelled_runs(run_ids), options)


def draw_curves(
    figures: PageFigures, selection: Selection, conditions: list[str], options: CurveOptions, values: CurveValues
) -> None:
    """Draw a panel per metric, in two columns."""
    runs = selected_runs(selection)
    colours = run_colours(runs.assign(label=runs["run_id"].map(values.label_of)))
    curves = Curves(colours, conditions, selection.epoch, options.log_values, options.log_epochs, values.milestones)
    st.html(curve_legend(colours, conditions))
    metrics = list(METRICS)
    for begin in range(0, len(metrics), 2):
        for column, metric in zip(st.columns(2), metrics[begin : begin + 2], strict=True):
            lines, behind = values.lines[metric]
            panel = curves.panel(lines, metric, behind)
            figures.draw(
                column,
                panel,
                f"{METRIC_INFO[metric].label} over epochs",
                lines,
                **chart_options_for_choosing_epoch(f"curve_{metric}"),
            )
    st.caption(_explain_curves(selection, values))


def _explain_curves(selection: Selection, values: CurveValues) -> Markdown:
    """Return the caption of all panels."""
    explanation = (
        f"Measured on {escape_markdown(selection.split.images)}. Solid lines are clean. "
        f"{explain_marks(selection.epoch, values.milestones)} Angles are to the clean class means of the same images. The "
        "nearest centre is the nearest clean class mean of the training images. A logarithmic axis leaves out zeros. "
        f"{MOUSE_NOTE}"
    )
    accuracy = values.values[values.values["metric"] == Metric.ACCURACY]
    return f"{explanation} {THINNING_NOTE}" if is_long(accuracy) else explanation


def draw_summary(table: pd.DataFrame) -> None:
    """Draw the table of `CurveValues.at_epoch_last_and_best`."""
    st.header(
        "In numbers", anchor=False, help="Mean and standard deviation over seeds. The best epoch is that of each seed."
    )
    words = {name: condition_in_words(name) for name in table.get("condition", ())}
    table = table.replace(
        {"metric": {str(metric): METRIC_INFO[metric].label for metric in METRICS}, "condition": words}
    )
    columns = {name: st.column_config.NumberColumn(format="%.4g") for name in ("last", "best")}
    columns["at cursor"] = st.column_config.NumberColumn("selected epoch", format="%.4g")
    columns["at cursor ±"] = st.column_config.NumberColumn("selected epoch ±")
    st.dataframe(table, hide_index=True, key="summary", column_config=columns)
