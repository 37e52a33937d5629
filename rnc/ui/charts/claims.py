"""The number that a claim rests on most, over epochs, beside its bound."""

import altair as alt
import pandas as pd

from rnc.ui.charts.axes import epoch_axis, value_axis
from rnc.ui.charts.palette import GREY, run_scale

_HEIGHT = 150
_WIDE = 10
"""Largest over smallest value from which an axis is logarithmic."""


def course_panel(frame: pd.DataFrame, name: str, limit: float, runs: list[str]) -> alt.LayerChart:
    """A number (run, epoch, value) over epochs, a line a run; the dashed rule is its bound. `runs` gives the colours."""
    heights = [*frame["value"], limit]
    y = value_axis(min(heights) > 0 and max(heights) / min(heights) > _WIDE, ticks=3).axis(grid=False)
    x = epoch_axis(int(frame["epoch"].max()), log=True).title(None)
    lines = alt.Chart(frame).mark_line(point=alt.OverlayMarkDef(size=16), strokeWidth=1.5)
    told = [alt.Tooltip("run:N"), alt.Tooltip("epoch:Q"), alt.Tooltip("value:Q", format=".4g", title=name)]
    colour = alt.Color("run:N", scale=run_scale(runs), legend=None)
    bound = alt.Chart(pd.DataFrame({"value": [limit]})).mark_rule(strokeDash=[3, 3], color=GREY).encode(y="value:Q")
    title = alt.TitleParams(f"{name}, over epochs", anchor="start", fontSize=11, fontWeight="normal")
    layers = [lines.encode(x=x, y=y, color=colour, tooltip=told), bound]
    return alt.LayerChart(layer=layers, height=_HEIGHT, title=title)
