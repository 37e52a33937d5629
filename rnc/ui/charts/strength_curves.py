"""Charts of metrics against the strength of an attack, for one or several networks.

Tested by tests/pages/test_attack_lab.py.
"""

import altair as alt
import pandas as pd

from rnc.conditions import format_pixels
from rnc.ui.charts.axes import stages_in_order, value_axis
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.palette import RunColours, run_scale
from rnc.vocabulary import FEATURES_LAYER, METRIC_INFO, Metric, MetricInfo

_HEIGHT = 210
_MOST_LISTED = 6
"""Most strengths that a legend lists, the largest among them."""


def metric_by_strength(
    frame: pd.DataFrame, metric: Metric, sources: RunColours, strength: str, *, pixels: bool
) -> Chart:
    """Draw a metric (source, strength, value) against the strength, a line per source; `strength` labels the axis.

    With `pixels`, strengths are written as customary, `8/255`. Values that a log axis cannot show are left out.
    """
    rows = _drawn(frame, METRIC_INFO[metric], pixels)
    return Chart(_strength_specification(metric, tuple(sources.items()), strength), {"values": rows})


@cached_specification
def _strength_specification(metric: Metric, sources: tuple[tuple[str, str], ...], strength: str) -> alt.Chart:
    info = METRIC_INFO[metric]
    return (
        named("values")
        .mark_line(point=alt.OverlayMarkDef(size=26), strokeWidth=2)
        .encode(
            x=alt.X(
                "strength:Q",
                title=strength,
                scale=alt.Scale(nice=False, zero=False),
                axis=alt.Axis(grid=False, tickCount=6, format=".3~g"),
            ),
            y=value_axis(info.log_axis),
            color=alt.Color("source:N", scale=run_scale(sources), legend=None),
            tooltip=[
                alt.Tooltip("source:N"),
                alt.Tooltip("strength_text:N", title=strength),
                alt.Tooltip("value:Q", format=".4g", title=METRIC_INFO[metric].label),
            ],
        )
        .properties(height=_HEIGHT, title=alt.TitleParams(info.label, anchor="start", fontSize=13))
    )


def metric_over_layers_per_strength(
    frame: pd.DataFrame, metric: Metric, sources: list[str], strength: str, *, pixels: bool
) -> Chart:
    """Draw a metric over the stages (source, strength, layer, value): colours for strengths, dashes for sources.

    `strength` names the strengths in the legend. `frame` has the stages in the order of the network; the features come last.
    """
    rows = _drawn(frame, METRIC_INFO[metric], pixels)
    networks = [list(dict.fromkeys(of_source["layer"])) for _source, of_source in rows.groupby("source", sort=False)]
    layers = stages_in_order(sorted(stages, key=lambda layer: layer == FEATURES_LAYER) for stages in networks)
    values = sorted(set(frame["strength"]))
    every = -(-len(values) // _MOST_LISTED) or 1
    listed = values[::-1][::every][::-1]
    text = _layer_specification(metric, tuple(sources), tuple(layers), strength, tuple(listed))
    return Chart(text, {"values": rows})


@cached_specification
def _layer_specification(
    metric: Metric, sources: tuple[str, ...], layers: tuple[str, ...], strength: str, listed: tuple[float, ...]
) -> alt.Chart:
    """Return the chart, whose legend is called `strength` and lists some of the strengths."""
    info = METRIC_INFO[metric]
    return (
        named("values")
        .mark_line(point=alt.OverlayMarkDef(size=18), strokeWidth=1.8)
        .encode(
            x=alt.X(
                "layer:N", sort=list(layers), title=None, axis=alt.Axis(labelAngle=-40, labelOverlap=False, grid=False)
            ),
            y=value_axis(info.log_axis),
            color=alt.Color(
                "strength:Q",
                scale=alt.Scale(scheme="viridis"),
                legend=alt.Legend(title=strength, values=list(listed), format=".3~g"),
            ),
            detail=alt.Detail("strength:N"),
            strokeDash=alt.StrokeDash(
                "source:N", scale=alt.Scale(domain=list(sources), range=[[1, 0], [6, 3]]), legend=None
            ),
            tooltip=[
                alt.Tooltip("source:N"),
                alt.Tooltip("layer:N"),
                alt.Tooltip("strength_text:N", title="strength"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
        .properties(height=_HEIGHT + 60, title=alt.TitleParams(info.label, anchor="start", fontSize=13))
    )


def _drawn(frame: pd.DataFrame, info: MetricInfo, pixels: bool) -> pd.DataFrame:
    """Return the rows that the axis can show, with the strengths as text in the column `strength_text`."""
    drawn = frame[frame["value"] > 0] if info.log_axis else frame
    return drawn.assign(strength_text=[format_pixels(s) if pixels and s else f"{s:g}" for s in drawn["strength"]])
