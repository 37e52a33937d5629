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
