"""Metrics over epochs, and along the network."""

import altair as alt
import pandas as pd

from rnc.charts.labels import METRIC_INFO, MetricInfo
from rnc.charts.palette import dash_scale, run_scale
from rnc.vocabulary import Metric

PANEL_HEIGHT = 300


def curve_panel(frame: pd.DataFrame, metric: Metric, runs: list[str], cursor: int, *, log: bool) -> alt.LayerChart:
    """One metric over epochs, a line a (run, condition), with a rule at the epoch cursor.

    `frame` has run (label), shown (condition), epoch and value; values that a log axis cannot show are left out there.
    """
    info = METRIC_INFO[metric]
    log = log and info.log_axis
    drawn = frame[frame["value"] > 0] if log else frame
    conditions = sorted(frame["shown"].unique())
    epochs = alt.X(
        "epoch:Q", title="epoch", scale=alt.Scale(type="symlog"), axis=alt.Axis(values=_ticks(frame), grid=False)
    )
    values = alt.Y("value:Q", title=None, scale=alt.Scale(type="log" if log else "linear", zero=False, nice=not log))
    lines = (
        alt.Chart(drawn)
        .mark_line(point=alt.OverlayMarkDef(size=22), strokeWidth=2)
        .encode(
            x=epochs,
            y=values.axis(format="~g" if log else ".3~g", tickCount=4),
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(conditions), legend=None),
            tooltip=[
                "run:N",
                "shown:N",
                "condition:N",
                "epoch:Q",
                alt.Tooltip("value:Q", format=".4g", title=str(metric)),
            ],
        )
    )
    rule = alt.Chart(pd.DataFrame({"epoch": [cursor]})).mark_rule(strokeDash=[3, 3], opacity=0.6).encode(x="epoch:Q")
    return (rule + lines).properties(height=PANEL_HEIGHT, title=_title(info))


def layer_panel(frame: pd.DataFrame, metric: Metric, runs: list[str], *, log: bool) -> alt.Chart:
    """One metric against depth, a line a (run, condition); `frame` has run (label), shown, layer, depth, epoch and value."""
    info = METRIC_INFO[metric]
    log = log and info.log_axis
    drawn = frame[frame["value"] > 0] if log else frame
    stages = list(frame.sort_values("depth")["layer"].unique())
    return (
        alt.Chart(drawn)
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2)
        .encode(
            x=alt.X("layer:N", sort=stages, title="stage of the network", axis=alt.Axis(labelAngle=-40, grid=False)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(type="log" if log else "linear", zero=not log)).axis(
                format="~g" if log else ".3~g", tickCount=4
            ),
            order="depth:Q",
            color=alt.Color("run:N", scale=run_scale(runs), legend=None),
            strokeDash=alt.StrokeDash("shown:N", scale=dash_scale(sorted(frame["shown"].unique())), legend=None),
            tooltip=["run:N", "shown:N", "layer:N", "epoch:Q", alt.Tooltip("value:Q", format=".4g", title=str(metric))],
        )
        .properties(height=PANEL_HEIGHT, title=_title(info))
    )


def _title(info: MetricInfo) -> alt.TitleParams:
    return alt.TitleParams(
        info.label, subtitle=info.meaning, anchor="start", fontSize=14, subtitleFontSize=11, subtitleColor="#888888"
    )


def _ticks(frame: pd.DataFrame) -> list[int]:
    """Epochs worth naming on a symlog axis: 0, 1, 3, 10, 30, ... up to the last."""
    last = int(frame["epoch"].max()) if len(frame) else 0
    steps = [0] + [m * 10**k for k in range(6) for m in (1, 3)]
    return [s for s in steps if s <= last * 0.7] + [last]
