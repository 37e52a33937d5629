"""Axes that several charts share."""

from typing import Any

import altair as alt

NUMBERS = ".3~g"
"""The format of an axis' numbers: three digits. A tick of more, such as the only one of a constant curve, is cut."""
_SHORT = 3  # letters of a name that is written upright
_ASLANT = 15  # classes, above which names that stand aslant would lie over each other
_WIDEST_NAME = 120  # pixels; what is longer is cut, and whole in the marks' tooltips
_LETTER_WIDTH = 6  # pixels
_SLOPE = -40  # degrees of a name that stands aslant
_RISE = 0.64  # its height, as a share of its length
_USUAL_HEIGHT = 40  # pixels that a chart keeps for its names
_MOST_NAMES = 120
_OVERLAP: Any = "parity"  # (of names that have no room every other one is left out, again and again)


def class_axis(classes: list[str], **options: Any) -> alt.Axis:
    """A horizontal axis of classes: short names upright, longer ones aslant, many upended; without those that have no room."""
    angle = _name_angle(classes)
    overlap = False if angle == _SLOPE else _OVERLAP
    return alt.Axis(
        values=_some(classes), labelAngle=angle, labelOverlap=overlap, labelLimit=_WIDEST_NAME, **options
    )  # fmt: skip


def _name_angle(classes: list[str]) -> int:
    """Return the angle of names under a chart, in degrees: 0 upright, -90 upended."""
    if all(len(name) <= _SHORT for name in classes):
        return 0
    return _SLOPE if len(classes) <= _ASLANT else -90


def names_height(classes: list[str]) -> int:
    """Return how many pixels of height the names of a `class_axis` take beyond those of ten short words.

    A chart of a given height gives up its own area for them unless it is so much higher.
    """
    angle = _name_angle(classes)
    length = min(_LETTER_WIDTH * max(map(len, classes), default=0), _WIDEST_NAME)
    height = length * _RISE if angle == _SLOPE else length
    return max(round(height) - _USUAL_HEIGHT, 0) if angle else 0


def class_rows(classes: list[str]) -> alt.Axis:
    """A vertical axis of classes, without the names that have no room."""
    return alt.Axis(values=_some(classes), labelOverlap=_OVERLAP, labelLimit=_WIDEST_NAME)


def _some(classes: list[str]) -> list[str]:
    """Return at most so many names as may have room, at equal distances: to measure a thousand takes a browser seconds."""
    return classes[:: -(-len(classes) // _MOST_NAMES) or 1]


def value_axis(log: bool, ticks: int = 4) -> alt.Y:
    """The vertical axis of `value`, without a title, where a chart's own title says what it is."""
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=not log)
    return alt.Y("value:Q", title=None, scale=scale).axis(format=NUMBERS, tickCount=ticks)


def epoch_axis(last: int, *, log: bool) -> alt.X:
    """The horizontal axis of `epoch`, up to the last; with `log`, epochs that are worth naming: 0, 1, 3, 10, 30, ..."""
    steps = [0] + [m * 10**k for k in range(10) for m in (1, 3)]
    ticks = [step for step in steps if step <= last * 0.7] + [last]
    axis = alt.Axis(values=ticks, grid=False) if log else alt.Axis(grid=False, tickCount=6, tickMinStep=1, format="d")
    return alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="symlog" if log else "linear"), axis=axis)
