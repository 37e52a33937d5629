"""Chart of a number of a claim over epochs, with its bound.

Tested by tests/pages/test_pages.py.
"""

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import epoch_axis, value_axis, with_epoch_ticks_up_to
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.interaction import Lines, with_interaction
from rnc.ui.charts.palette import GREY, RunColours, run_scale

_HEIGHT = 150
_WIDE_RANGE = 10
"""Ratio of the largest to the smallest value above which an axis is logarithmic."""


def course_panel(frame: pd.DataFrame, name: str, limit: float, runs: RunColours, cursor: int = 0) -> Chart:
    """Draw a number (run, epoch, value) over epochs, a line per run, with its bound as a dashed rule."""
    values_and_limit = [*frame["value"], limit]
    log = min(values_and_limit) > 0 and max(values_and_limit) / min(values_and_limit) > _WIDE_RANGE
    text = _course_specification(name, tuple(runs.items()), log=log)
    picture = Chart(
        with_epoch_ticks_up_to(text, int(frame["epoch"].max())),
        {"values": frame, "limit": pd.DataFrame({"value": [limit]})},
    )
    return with_interaction(picture, frame, Lines("values", list(runs)), log_epochs=True, cursor=cursor)


@cached_specification
def _course_specification(name: str, runs: tuple[tuple[str, str], ...], *, log: bool) -> alt.LayerChart:
    y = value_axis(log, ticks=3, grid=False)
    x = epoch_axis(log=True).title(None)
    lines = named("values").mark_line(point=alt.OverlayMarkDef(size=16), strokeWidth=1.5)
    tooltip = [alt.Tooltip("run:N"), alt.Tooltip("epoch:Q"), alt.Tooltip("value:Q", format=".4g", title=name)]
    colour = alt.Color("run:N", scale=run_scale(runs), legend=None)
    bound = named("limit").mark_rule(strokeDash=[3, 3], color=GREY).encode(y=alt.Y("value:Q"))
    title = alt.TitleParams(f"{name} by epoch", anchor="start", fontSize=11, fontWeight="normal")
    layers = [lines.encode(x=x, y=y, color=colour, tooltip=tooltip), bound]
    return alt.LayerChart(layer=layers, height=_HEIGHT, title=title)
