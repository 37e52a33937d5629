"""Charts of metrics over epochs and over the stages of the network.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from dataclasses import dataclass
from functools import cached_property

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import epoch_axis, stages_in_order, value_axis, with_epoch_ticks_up_to
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.condition_words import words_expression
from rnc.ui.charts.downsampling import is_long, thinned_keeping_extremes
from rnc.ui.charts.interaction import Lines, with_interaction
from rnc.ui.charts.palette import GREY, RunColours, dash_scale, run_scale
from rnc.vocabulary import METRIC_INFO, Metric, MetricInfo, Milestone

PANEL_HEIGHT = 300
_LAYERS_HEIGHT = 400
_FAINT = 0.3


@dataclass(frozen=True)
class Curves:
    """Settings that the panels of a page share: runs, conditions, axes and marked epochs."""

    runs: RunColours
    conditions: list[str]
    """The conditions shown, in the order of the legend."""
    cursor: int
    log: bool = True
    """True if metrics with a suitable range are drawn on a log axis."""
    log_epochs: bool = True
    milestones: pd.DataFrame | None = None
    """run (label), milestone (drop, terminal), epoch."""

    def panel(self, frame: pd.DataFrame, metric: Metric, behind: pd.DataFrame | None = None) -> Chart:
        """Draw a metric over epochs, a line per (run, condition), with a rule at the epoch cursor and the milestones.

        `frame` has run (label), shown (condition), condition, epoch and value, and `low` and `high` if there is a band.
        `behind` has the lines from which it was computed, with run_id: single seeds or unsmoothed lines, which are drawn
        faintly. Values that a log axis cannot show are left out; long lines are drawn with fewer points.
        """
        log = self.log and METRIC_INFO[metric].log_axis
        drawn = _positive(frame, log)
        rows = dict(self._shared_rows)
        if "low" in frame:
            rows["band"] = self._thinned(_above_zero(frame) if log else frame.dropna(subset="low"))
        if behind is not None:
            rows["behind"] = self._thinned(_positive(behind, log))
        rows["lines"] = self._thinned(drawn)
        shape = _PanelShape(
            metric,
            tuple(self.runs.items()),
            tuple(self.conditions),
            frozenset(rows),
            log=log,
            log_epochs=self.log_epochs,
            is_dense=is_long(drawn),
            has_seeds="seeds" in drawn,
        )
        last = int(frame["epoch"].max()) if len(frame) else 0
        picture = Chart(with_epoch_ticks_up_to(_panel_specification(shape), last), rows)
        lines = Lines("lines", list(self.runs), self.conditions)
        return with_interaction(picture, drawn, lines, log_epochs=self.log_epochs, cursor=self.cursor)

    def _thinned(self, frame: pd.DataFrame) -> pd.DataFrame:
        return thinned_keeping_extremes(frame, log_epochs=self.log_epochs)

    @cached_property
    def _shared_rows(self) -> dict[str, pd.DataFrame]:
        """The rows of all panels: the cursor and, if there are milestones, drops of the learning rate and starts of TPT."""
        cursor = pd.DataFrame({"epoch": [self.cursor]})
        if self.milestones is None or self.milestones.empty:
            return {"cursor": cursor}
        drops = self.milestones[self.milestones["milestone"] == Milestone.DROP][["epoch"]].drop_duplicates()
        starts = self.milestones[self.milestones["milestone"] == Milestone.TERMINAL][["run", "epoch"]].drop_duplicates()
        return {"cursor": cursor, "drops": drops, "starts": starts}


@dataclass(frozen=True)
class _PanelShape:
    """Everything about a panel but its rows; equal shapes have one specification."""

    metric: Metric
    runs: tuple[tuple[str, str], ...]
    """The label and colour of each run."""
    conditions: tuple[str, ...]
    data_sets: frozenset[str]
    """The names of the data sets that the panel has."""
    log: bool
    log_epochs: bool
    is_dense: bool
    """True if points would hide their line; they are invisible then, and serve only for tooltips."""
    has_seeds: bool
    """True if the tooltip names the number of seeds."""

    @property
    def colour(self) -> alt.Color:
        """The colour of a run."""
        return alt.Color("run:N", scale=run_scale(self.runs), legend=None)

    @property
    def dashes(self) -> alt.StrokeDash:
        """The dashes of a condition."""
        return alt.StrokeDash("shown:N", scale=dash_scale(list(self.conditions)), legend=None)


@cached_specification
def _panel_specification(shape: _PanelShape) -> alt.LayerChart:
    layers: list[alt.Chart] = [named("cursor").mark_rule(strokeDash=[3, 3], color=GREY).encode(x=alt.X("epoch:Q"))]
    if "drops" in shape.data_sets:
        layers += _milestone_marks(shape)
    if "band" in shape.data_sets:
        band = named("band").mark_area(opacity=0.15)
        x, low, high = alt.X("epoch:Q"), alt.Y("low:Q"), alt.Y2("high:Q")
        # dashes are not seen on a band, but the legend hides it by them; Vega-Lite does not part areas by them
        by_condition = alt.Detail("shown:N")
        layers.append(
            band.encode(x=x, y=low, y2=high, color=shape.colour, strokeDash=shape.dashes, detail=by_condition)
        )
    if "behind" in shape.data_sets:
        faint = _lines("behind", shape, has_seeds=False).mark_line(strokeWidth=1, opacity=_FAINT)
        layers.append(faint.encode(detail=alt.Detail("run_id:N")))
    points = alt.OverlayMarkDef(size=60, opacity=0) if shape.is_dense else alt.OverlayMarkDef(size=22)
    layers.append(_lines("lines", shape, has_seeds=shape.has_seeds).mark_line(point=points, strokeWidth=2))
    return alt.LayerChart(layer=layers, height=PANEL_HEIGHT, title=_title(METRIC_INFO[shape.metric]))


def _lines(data_set: str, shape: _PanelShape, *, has_seeds: bool) -> alt.Chart:
    tooltip = [alt.Tooltip(field) for field in ("run:N", "shown:N", "condition:N", "epoch:Q")]
    tooltip.append(alt.Tooltip("value:Q", format=".4g", title=METRIC_INFO[shape.metric].label))
    tooltip += [alt.Tooltip("seeds:Q")] if has_seeds else []
    return named(data_set).encode(
        x=epoch_axis(log=shape.log_epochs),
        y=value_axis(shape.log),
        color=shape.colour,
        strokeDash=shape.dashes,
        tooltip=tooltip,
    )


def _milestone_marks(shape: _PanelShape) -> list[alt.Chart]:
    """Draw drops of the learning rate as grey rules, and the start of TPT as a triangle of the run's colour."""
    drop = alt.Tooltip("epoch:Q", title="learning rate drops after epoch")
    start = alt.Tooltip("epoch:Q", title="terminal phase starts at epoch")
    x = alt.X("epoch:Q")
    return [
        named("drops").mark_rule(color=GREY, opacity=0.35, strokeWidth=2).encode(x=x, tooltip=[drop]),
        named("starts")
        .mark_point(shape="triangle-up", size=70, filled=True, opacity=1, yOffset=-4)
        .encode(x=x, y=alt.YValue("height"), color=shape.colour, tooltip=[alt.Tooltip("run:N"), start]),
    ]


def _positive(frame: pd.DataFrame, log: bool) -> pd.DataFrame:
    return frame[frame["value"] > 0] if log else frame


def _above_zero(frame: pd.DataFrame) -> pd.DataFrame:
    """Adapt bands to a log axis: a band that would reach 0 ends at the value of the lowest seed."""
    low = frame["low"].where(frame["low"] > 0, frame["least"].where(frame["low"].notna()))
    return frame.assign(low=low)[low > 0]


def layer_panel(frame: pd.DataFrame, metric: Metric, runs: RunColours, conditions: list[str], *, log: bool) -> Chart:
    """Draw a metric against depth, a line per (run, condition).

    `frame` has run (label), shown, layer, depth, epoch and value.
    """
    log = log and METRIC_INFO[metric].log_axis
    by_depth = frame.sort_values("depth")
    stages = tuple(
        stages_in_order([list(of_run["layer"].unique()) for _run, of_run in by_depth.groupby("run", sort=False)])
    )
    text = _layer_specification(metric, tuple(runs.items()), tuple(conditions), stages, log=log)
    return Chart(text, {"values": _positive(frame, log)})


@cached_specification
def _layer_specification(
    metric: Metric,
    runs: tuple[tuple[str, str], ...],
    conditions: tuple[str, ...],
    stages: tuple[str, ...],
    *,
    log: bool,
) -> alt.Chart:
    words = alt.Tooltip("words:N", title="condition")
    return (
        named("values")
        .transform_calculate(words=words_expression(conditions, "datum.shown"))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2)
        .encode(
            x=alt.X(
                "layer:N",
                sort=list(stages),
                title="stage of the network",
                axis=alt.Axis(labelAngle=-40, labelOverlap=False, grid=False),
            ),
            y=value_axis(log, zero=not log),
            order=alt.Order("depth:Q"),
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(list(conditions)), legend=None),
            tooltip=[
                alt.Tooltip("run:N"),
                words,
                alt.Tooltip("layer:N"),
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("value:Q", format=".4g", title=METRIC_INFO[metric].label),
            ],
        )
        .properties(height=_LAYERS_HEIGHT, title=_title(METRIC_INFO[metric]))
    )


def _title(info: MetricInfo) -> alt.TitleParams:
    return alt.TitleParams(info.label, subtitle=info.meaning, anchor="start", fontSize=14, subtitleFontSize=11)
