"""Axes that several charts share.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

import json
from typing import Any

import altair as alt

NUMBERS = ".3~g"
"""The number format of an axis, with three significant digits; longer tick values, as of a constant curve, are rounded."""
_SHORT = 3  # letters of the longest name that is written horizontally
_ASLANT = 15  # number of classes above which slanted names would overlap
WIDEST_NAME = 120  # pixels; a longer name is cut, and shown in full in the marks' tooltips
_LETTER_WIDTH = 6  # pixels
_SLOPE = -40  # angle of a slanted name in degrees
_RISE = 0.64  # height of a slanted name divided by its length
_USUAL_HEIGHT = 40  # pixels that a chart reserves for its names
_MOST_NAMES = 120
_OVERLAP: Any = "parity"  # every other name is left out until the rest fit

_TICKS = alt.ExprRef("ticks of epochs")
"""A place in a specification, no text of which can look like it: quotation marks within a text are escaped."""


def class_axis(classes: list[str], **options: Any) -> alt.Axis:
    """Return a horizontal axis of classes, without the names that do not fit.

    Short names are horizontal, longer ones slanted, and many names vertical.
    """
    angle = _name_angle(classes)
    overlap = False if angle == _SLOPE else _OVERLAP
    return alt.Axis(values=_some(classes), labelAngle=angle, labelOverlap=overlap, labelLimit=WIDEST_NAME, **options)


def _name_angle(classes: list[str]) -> int:
    """Return the angle of names below a chart in degrees: 0 is horizontal, -90 vertical."""
    if all(len(name) <= _SHORT for name in classes):
        return 0
    return _SLOPE if len(classes) <= _ASLANT else -90


def names_height(classes: list[str]) -> int:
    """Return the pixels of height that the names of a `class_axis` need beyond those of ten short words.

    A chart of fixed height must be higher by this amount, or the names reduce its plotting area.
    """
    angle = _name_angle(classes)
    length = min(_LETTER_WIDTH * max(map(len, classes), default=0), WIDEST_NAME)
    height = length * _RISE if angle == _SLOPE else length
    return max(round(height) - _USUAL_HEIGHT, 0) if angle else 0


def class_rows(classes: list[str]) -> alt.Axis:
    """Return a vertical axis of classes that omits names that do not fit."""
    return alt.Axis(values=_some(classes), labelOverlap=_OVERLAP, labelLimit=WIDEST_NAME)


def _some(classes: list[str]) -> list[str]:
    """Return at most _MOST_NAMES names at equal distances, because a browser takes seconds to measure a thousand names."""
    return classes[:: -(-len(classes) // _MOST_NAMES) or 1]


def value_axis(log: bool, ticks: int = 4) -> alt.Y:
    """Return the vertical axis of `value`, without a title, for charts whose own title names the value."""
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=not log)
    return alt.Y("value:Q", title=None, scale=scale).axis(format=NUMBERS, tickCount=ticks)


def epoch_axis(*, log: bool) -> alt.X:
    """Return the horizontal axis of `epoch`; with `log`, it labels the epochs that `up_to_epoch` names."""
    axis = alt.Axis(grid=False, tickCount=6, tickMinStep=1, format="d")
    if log:
        axis = alt.Axis(values=_TICKS, grid=False)
    return alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="symlog" if log else "linear"), axis=axis)


def up_to_epoch(specification: str, last: int) -> str:
    """Return a specification with axes from `epoch_axis` that label the epochs 0, 1, 3, 10, 30, ... and the last.

    The last epoch is no part of what is kept: it changes with each epoch of a training, and with the cursor.
    """
    steps = [0] + [m * 10**k for k in range(10) for m in (1, 3)]
    ticks = [step for step in steps if step <= last * 0.7] + [last]
    return specification.replace(json.dumps(_TICKS.to_dict()), json.dumps(ticks))
