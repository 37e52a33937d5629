"""Axes that several charts share."""

from typing import Any

import altair as alt

_SHORT = 3


def class_axis(classes: list[str], **options: Any) -> alt.Axis:
    """A horizontal axis that names every class: digits upright, words aslant."""
    words = any(len(name) > _SHORT for name in classes)
    return alt.Axis(labelAngle=-40 if words else 0, labelOverlap=False, **options)


def value_axis(log: bool, ticks: int = 4) -> alt.Y:
    """The vertical axis of `value`, without a title, where a chart's own title says what it is."""
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=not log)
    return alt.Y("value:Q", title=None, scale=scale).axis(format="~g" if log else ".3~g", tickCount=ticks)


def epoch_axis(last: int, *, log: bool) -> alt.X:
    """The horizontal axis of `epoch`, up to the last; with `log`, epochs that are worth naming: 0, 1, 3, 10, 30, ..."""
    steps = [0] + [m * 10**k for k in range(10) for m in (1, 3)]
    ticks = [step for step in steps if step <= last * 0.7] + [last]
    axis = alt.Axis(values=ticks, grid=False) if log else alt.Axis(grid=False, tickCount=6)
    return alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="symlog" if log else "linear"), axis=axis)
