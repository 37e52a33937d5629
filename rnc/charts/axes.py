"""Axes that several charts share."""

from typing import Any

import altair as alt

_SHORT = 3


def class_axis(classes: list[str], **options: Any) -> alt.Axis:
    """A horizontal axis that names every class: digits upright, words aslant."""
    words = any(len(name) > _SHORT for name in classes)
    return alt.Axis(labelAngle=-40 if words else 0, labelOverlap=False, **options)
