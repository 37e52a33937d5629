"""Charts of metrics over epochs and over the stages of the network.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import NUMBERS, epoch_axis, value_axis
from rnc.ui.charts.downsampling import is_long, thinned
from rnc.ui.charts.palette import GREY, dash_scale, run_scale
from rnc.vocabulary import METRIC_INFO, Metric, MetricInfo

PANEL_HEIGHT = 300
_LAYERS_HEIGHT = 400
_FAINT = 0.3


@dataclass(frozen=True)
class Curves:
    """Settings that the panels of a page share: runs, conditions, axes and marked epochs."""

    runs: list[str]
    """The labels in their order, which determines the colours."""
    conditions: list[str]
    """The conditions shown, in the order of the legend."""
    cursor: int
    log: bool = True
    """True if metrics with a suitable range are drawn on a log axis."""
    log_epochs: bool = True
    milestones: pd.DataFrame | None = None
    """run (label), milestone (drop, terminal), epoch."""

    def panel(self, frame: pd.DataFrame, metric: Metric, behind: pd.DataFrame | None = None) -> alt.LayerChart:
        """Draw a metric over epochs, a line per (run, condition), with a rule at the epoch cursor and the milestones.

        `frame` has run (label), shown (condition), condition, epoch and value, and `low` and `high` if there is a band.
        `behind` has the lines from which it was computed, with run_id: single seeds or unsmoothed lines, which are drawn
        faintly. Values that a log axis cannot show are left out; long lines are drawn with fewer points (`thinned`).
        """
        info = METRIC_INFO[metric]
        log = self.log and info.log_axis
        y = value_axis(log)
        last = int(frame["epoch"].max()) if len(frame) else 0
        layers: list[alt.Chart] = [self._cursor_rule(), *self._milestone_marks()]
        if "low" in frame:
            layers.append(self._band(self._thinned(_above_zero(frame) if log else frame.dropna(subset="low"))))
        if behind is not None:
            faint = self._lines(self._thinned(_positive(behind, log)), y, metric, last)
            layers.append(faint.mark_line(strokeWidth=1, opacity=_FAINT).encode(detail=alt.Detail("run_id:N")))
        drawn = _positive(frame, log)
        # Dense points would hide their line, so they are invisible and serve only for tooltips.
        points = alt.OverlayMarkDef(size=60, opacity=0) if is_long(drawn) else alt.OverlayMarkDef(size=22)
        lines = self._lines(self._thinned(drawn), y, metric, last)
        layers.append(lines.mark_line(point=points, strokeWidth=2))
        return alt.LayerChart(layer=layers, height=PANEL_HEIGHT, title=_title(info))

    def _thinned(self, frame: pd.DataFrame) -> pd.DataFrame:
        return thinned(frame, log_epochs=self.log_epochs)

    def _lines(self, drawn: pd.DataFrame, y: alt.Y, metric: Metric, last: int) -> alt.Chart:
        tooltip = [alt.Tooltip(field) for field in ("run:N", "shown:N", "condition:N", "epoch:Q")]
        tooltip.append(alt.Tooltip("value:Q", format=".4g", title=str(metric)))
        tooltip += [alt.Tooltip("seeds:Q")] if "seeds" in drawn else []
        return alt.Chart(drawn).encode(
            x=epoch_axis(last, log=self.log_epochs),
            y=y,
            color=self._colour(),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(self.conditions), legend=None),
            tooltip=tooltip,
        )

    def _band(self, frame: pd.DataFrame) -> alt.Chart:
        band = alt.Chart(frame).mark_area(opacity=0.15)
        x, low, high = alt.X("epoch:Q"), alt.Y("low:Q"), alt.Y2("high:Q")
        return band.encode(x=x, y=low, y2=high, color=self._colour(), detail=alt.Detail("shown:N"))

    def _cursor_rule(self) -> alt.Chart:
        here = pd.DataFrame({"epoch": [self.cursor]})
        return alt.Chart(here).mark_rule(strokeDash=[3, 3], color=GREY).encode(x=alt.X("epoch:Q"))

    def _milestone_marks(self) -> list[alt.Chart]:
        """Draw drops of the learning rate as grey rules, and the start of TPT as a triangle of the run's colour."""
        if self.milestones is None or self.milestones.empty:
            return []
        drops = self.milestones[self.milestones["milestone"] == "drop"][["epoch"]].drop_duplicates()
        starts = self.milestones[self.milestones["milestone"] == "terminal"][["run", "epoch"]].drop_duplicates()
        drop = alt.Tooltip("epoch:Q", title="learning rate drops after epoch")
        x = alt.X("epoch:Q")
        start = alt.Tooltip("epoch:Q", title="terminal phase starts at epoch")
        return [
            alt.Chart(drops).mark_rule(color=GREY, opacity=0.35, strokeWidth=2).encode(x=x, tooltip=[drop]),
            alt.Chart(starts)
            .mark_point(shape="triangle-up", size=70, filled=True, opacity=1, yOffset=-4)
            .encode(x=x, y=alt.YValue("height"), color=self._colour(), tooltip=[alt.Tooltip("run:N"), start]),
        ]

    def _colour(self) -> alt.Color:
        return alt.Color("run:N", scale=run_scale(self.runs), legend=None)


def _positive(frame: pd.DataFrame, log: bool) -> pd.DataFrame:
    return frame[frame["value"] > 0] if log else frame


def _above_zero(frame: pd.DataFrame) -> pd.DataFrame:
    """Adapt bands to a log axis: a band that would reach 0 ends at the value of the lowest seed."""
    low = frame["low"].where(frame["low"] > 0, frame["least"].where(frame["low"].notna()))
    return frame.assign(low=low)[low > 0]


def layer_panel(frame: pd.DataFrame, metric: Metric, runs: list[str], conditions: list[str], *, log: bool) -> alt.Chart:
    """Draw a metric against depth, a line per (run, condition).

    `frame` has run (label), shown, layer, depth, epoch and value.
    """
    info = METRIC_INFO[metric]
    log = log and info.log_axis
    stages = list(frame.sort_values("depth")["layer"].unique())
    return (
        alt.Chart(_positive(frame, log))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2)
        .encode(
            x=alt.X(
                "layer:N",
                sort=stages,
                title="stage of the network",
                axis=alt.Axis(labelAngle=-40, labelOverlap=False, grid=False),
            ),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log" if log else "linear", zero=not log)).axis(
                format=NUMBERS, tickCount=4
            ),
            order="depth:Q",
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(conditions), legend=None),
            tooltip=["run:N", "shown:N", "layer:N", "epoch:Q", alt.Tooltip("value:Q", format=".4g", title=str(metric))],
        )
        .properties(height=_LAYERS_HEIGHT, title=_title(info))
    )


def _title(info: MetricInfo) -> alt.TitleParams:
    return alt.TitleParams(
        info.label, subtitle=info.meaning, anchor="start", fontSize=14, subtitleFontSize=11, subtitleColor=GREY
    )
