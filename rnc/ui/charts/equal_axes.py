"""Frames of planes: the part of a plane that a chart shows, with the same unit in x and y, and a scale bar.

The browser knows the size of a chart and the server does not. The ranges of x and y are therefore expressions of the chart's
width and height, and so is the scale bar, which also follows the user's zoom.

Tested by tests/rnc/ui/charts/test_equal_axes.py.
"""

import math
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.chart_with_cached_specification import named
from rnc.ui.charts.palette import GREY
from rnc.ui.charts.text_colours import quiet_text

_MARGIN = 0.06  # on each side, relative to the extent of the points
_DIGITS = 3
"""Significant digits of a frame, so that rounding errors in the points do not change it."""

ISOMETRIC = {"isometric": True}
"""The `usermeta` of a chart with a frame; an exported picture is as high as it is wide, besides legends below."""

_INSET, _STRIP = (
    12,
    30,
)  # pixels between the scale bar and the edges of the chart; height of the bar's place below the frame
_PARAMETERS = {
    "scale_bar_aim": "0.2 * min(width, height) * span(domain('x')) / width",
    "scale_bar_decade": "pow(10, floor(log(scale_bar_aim) / LN10))",
    "scale_bar_length": "scale_bar_decade * (scale_bar_aim < sqrt(2) * scale_bar_decade ? 1 "
    ": scale_bar_aim < sqrt(10) * scale_bar_decade ? 2 : scale_bar_aim < sqrt(50) * scale_bar_decade ? 5 : 10)",
    "scale_bar_pixels": "scale_bar_length * width / span(domain('x'))",
}
"""Vega expressions: a fifth of the shorter side in units of the plane, the power of ten below, the nearest of 1, 2, 5 and 10
times this power, and its length in pixels."""
_SCALE_BAR = "scale_bar"
SCALE_BAR_ROWS = {_SCALE_BAR: pd.DataFrame({"unit": ["unit"], "units": ["units"]})}
"""The data set of the scale bar: the words after its length."""


@dataclass(frozen=True)
class Frame:
    """The part of a plane that a chart shows at least, in units of the plane; hashable, for kept specifications."""

    x: float
    y: float
    """The middle."""
    width: float
    height: float

    @property
    def parameters(self) -> list[alt.Parameter]:
        """The parameters to which the scales and the scale bar refer."""
        unit = f"max({self.width!r} / width, {self.height!r} / (height - {_STRIP}))"
        return [alt.param(name=name, expr=expr) for name, expr in {"units_per_pixel": unit, **_PARAMETERS}.items()]

    def scale(self, axis: str) -> alt.Scale:
        """Return the scale of `x` or `y`; both have as many units per pixel, however wide and high the chart is."""
        if axis == "x":
            low, high = f"{self.x!r} - width / 2", f"{self.x!r} + width / 2"
        else:
            low, high = f"{self.y!r} - (height + {_STRIP}) / 2", f"{self.y!r} + (height - {_STRIP}) / 2"
        domain = alt.ExprRef(f"[{low} * units_per_pixel, {high} * units_per_pixel]")
        return alt.Scale(domain=domain, nice=False)


def frame_of(points: pd.DataFrame) -> Frame:
    """Return a frame of all finite points (x, y) with a margin; of side 1 if they are all equal, or if there are none."""
    finite = points[["x", "y"]].to_numpy(dtype=np.float64)
    finite = finite[np.isfinite(finite).all(axis=1)]
    low, high = (finite.min(axis=0), finite.max(axis=0)) if len(finite) else (np.zeros(2), np.zeros(2))
    middle, sides = (low + high) / 2, (1 + 2 * _MARGIN) * (high - low)
    longest = float(sides.max()) or 1.0
    digits = _DIGITS - math.floor(math.log10(longest))
    x, y, width, height = (round(float(number), digits) for number in (*middle, *sides))
    return Frame(x, y, *((width, height) if width or height else (longest, longest)))


def scale_bar() -> list[alt.Chart]:
    """Return the layers of the scale bar, at the lower left: a line with a round length, and this length in words."""
    across: dict[str, Any] = {"x": alt.XValue(_INSET), "x2": alt.X2Value(alt.ExprRef(f"{_INSET} + scale_bar_pixels"))}
    line = named(_SCALE_BAR).mark_rule(color=GREY, strokeWidth=2, aria=False)
    label = "format(scale_bar_length, '~g') + ' ' + (scale_bar_length == 1 ? datum.unit : datum.units)"
    text = named(_SCALE_BAR).mark_text(color=quiet_text(), fontSize=12, align="left", baseline="bottom")
    return [
        line.encode(**across, y=alt.YValue(alt.ExprRef(f"height - {_INSET}"))),
        text.encode(
            x=alt.XValue(_INSET),
            y=alt.YValue(alt.ExprRef(f"height - {_INSET + 4}")),
            text=alt.TextValue(alt.ExprRef(label)),
        ),
    ]
