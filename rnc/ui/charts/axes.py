"""Axes that several charts share.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

import json
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import altair as alt

_LARGEST_POWER = 15
"""Largest exponent of ten that is labelled, with either sign."""
_MULTIPLES = {0.7: (1, 1.5, 2, 3, 4, 5, 6, 8), 1.2: (1, 2, 3, 5), 1.8: (1, 2, 5), 3.4: (1, 3)}
"""The multiples of powers of ten that a log axis labels, if it shows up to so many decades; if more, the powers alone."""
_LEAST_DECADES, _MOST_DECADES = 0.25, 3.4
"""A log axis of fewer decades is labelled like a linear one; one of more has powers of ten as labels, if they are far from 1."""
_DECADES = "log(domain('y')[1] / domain('y')[0]) / LN10"
_IS_SHORT = f"{_DECADES} < {_LEAST_DECADES}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
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


def extra_height_for_names(classes: list[str]) -> int:
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


def value_axis(log: bool, ticks: int = 4, *, zero: bool = False, grid: bool = True) -> alt.Y:
    """Return the vertical axis of `value`, without a title, for charts whose own title names the value.

    `ticks` is about the number of labels of a linear axis; with `zero`, it begins at 0. A log axis labels 1, 2, 5, 10, ... or
    1, 3, 10, ... or powers of ten, as many as can be read over the range that it shows. Labels are decimal numbers (0.01, 1,000)
    or, where these would be long, powers of ten (10⁻⁴).
    """
    scale = alt.Scale(type="log" if log else "linear", zero=zero, nice=not log)
    labels: dict[str, Any] = {"tickCount": ticks, "labelExpr": _labels("false")}
    if log:
        most = alt.ExprRef(f"{_IS_SHORT} ? 5 : {2 * _LARGEST_POWER}")
        labels = {"values": alt.ExprRef(_LOG_TICKS), "tickCount": most, "labelExpr": _labels(_HAS_POWERS)}
    return alt.Y("value:Q", title=None, scale=scale).axis(grid=grid, **labels)


def _log_ticks() -> str:
    """Return the Vega expression of the labelled values of a log axis, of which the axis leaves out those beyond its ends."""
    powers = range(-_LARGEST_POWER, _LARGEST_POWER + 1)
    expression = json.dumps([float(f"1e{n}") for n in powers])
    for decades, multiples in reversed(_MULTIPLES.items()):
        values = json.dumps([float(f"{multiple}e{n}") for n in powers for multiple in multiples])
        expression = f"{_DECADES} < {decades} ? {values} : {expression}"
    return f"{_IS_SHORT} ? null : {expression}"


_LOG_TICKS = _log_ticks()
_HAS_POWERS = (
    "(domain('y')[0] < 0.0001 || domain('y')[1] >= 100000 "
    f"|| {_DECADES} > {_MOST_DECADES} && (domain('y')[0] <= 0.001 || domain('y')[1] >= 10000))"
)
"""Vega expression: whether decimal numbers would be long at one end of a log axis, or 0.001 would stand beside 1,000."""


def _labels(has_powers: str) -> str:
    """Return the Vega expression of the label of a value: a decimal number, or a power of ten where that would be too long.

    `has_powers` is the Vega expression that is true if all labels of the axis are powers of ten.
    """
    powers = json.dumps([f"10{str(n).translate(_SUPERSCRIPTS)}" for n in range(-_LARGEST_POWER, _LARGEST_POWER + 1)])
    exponent = "floor(log(abs(datum.value)) / LN10 + 1e-9)"
    multiple = f"format(datum.value / pow(10, {exponent}), '.2~f')"
    times = f"({multiple} === '1' ? '' : {multiple} + '·')"
    is_long = f"datum.value !== 0 && ({has_powers} || abs(datum.value) < 0.0001 || abs(datum.value) >= 1e5)"
    return f"{is_long} ? {times} + {powers}[{exponent} + {_LARGEST_POWER}] : format(datum.value, ',.4~r')"


def epoch_axis(*, log: bool) -> alt.X:
    """Return the horizontal axis of `epoch`; with `log`, it labels the epochs that `with_epoch_ticks_up_to` names."""
    axis = alt.Axis(grid=False, tickCount=6, tickMinStep=1, format="d")
    if log:
        axis = alt.Axis(values=_TICKS, grid=False)
    return alt.X("epoch:Q", title="epoch", scale=alt.Scale(type="symlog" if log else "linear"), axis=axis)


def with_epoch_ticks_up_to(specification: str, last: int) -> str:
    """Return a specification with axes from `epoch_axis` that label the epochs 0, 1, 3, 10, 30, ... and the last.

    The last epoch is no part of what is kept: it changes with each epoch of a training, and with the cursor.
    """
    steps = [0] + [m * 10**k for k in range(10) for m in (1, 3)]
    ticks = [step for step in steps if step <= last * 0.7] + [last]
    return specification.replace(json.dumps(_TICKS.to_dict()), json.dumps(ticks))


def stages_in_order(networks: Iterable[list[str]]) -> list[str]:
    """Return the stages of all networks, so that those of each stand in its order, which for most is the order of depth.

    If two networks have the same stages in opposite orders, a stage stands where it is deepest.
    """
    depths: dict[str, int] = {}
    earlier: TopologicalSorter[str] = TopologicalSorter()
    for stages in networks:
        for depth, stage in enumerate(stages):
            depths[stage] = max(depth, depths.get(stage, 0))
            earlier.add(stage)
        for before, after in pairwise(stages):
            earlier.add(after, before)
    try:
        return list(earlier.static_order())
    except CycleError:
        return sorted(depths, key=lambda stage: depths[stage])
