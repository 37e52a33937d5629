"""Charts of leaps: a matrix of true against predicted class, and flows between classes that lie on a circle."""

import math
from typing import Literal

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.axes import class_axis, class_rows, names_height
from rnc.ui.charts.equal_axes import ISOMETRIC
from rnc.ui.charts.kept_specification import Chart, kept, named
from rnc.ui.charts.palette import class_scale
from rnc.ui.charts.theme import on_fill, quiet_text

MOST_FLOWS = 30
"""Largest number of arrows that stays readable."""
_SIDE = 470
_TITLE = 24  # pixels of the side
_LETTER, _NAME_WIDTH = 7, 90
"""Width of a letter and largest width of a name, in pixels; a longer name is cut, and shown in full on hover."""
_NAMES = 1.1
_STEPS = 24
_WIDEST, _THINNEST = 14.0, 0.6  # pixels of a line, for all samples of a class and for none
_MANY = 24  # number of classes above which names are written radially
_NEAREST = 10  # pixels between two radial names
_DOT = 110  # area of a class's dot in square pixels, if there is enough space
_MATRIX_HEIGHT = 470
_MOST_CLASSES = 60
"""Number of classes above which empty pairs are not drawn: so many rectangles leave gaps and are slow in a browser."""
_SMALLEST_CELL = 9  # square pixels; a cell of a thousand classes would be less than a pixel wide
_EMPTY = "#440154"  # the colour of a share of 0
_MOST_NUMBERED = 12
"""Number of classes above which the cells are too small for their numbers."""
_STEP = 0.2
"""The scale of colours ends at a multiple of this share, so that it does not change with every epoch."""
_PERCENT = "datum.share <= 0 ? '' : datum.share < 0.005 ? '<1' : format(100 * datum.share, '.0f')"
_ALIGNMENTS: tuple[Literal["left", "center", "right"], ...] = ("left", "center", "right")
"""The alignments of names: those right of the circle begin at it, those left of it end at it."""


def leaping_matrix(frame: pd.DataFrame, classes: list[str], title: str) -> Chart:
    """Draw counts by (true_class, predicted_class) as shares of the true class; the diagonal holds unchanged predictions.

    `frame` has class names in both columns, count and angle (rad to the clean mean of the predicted class).
    """
    if len(classes) <= _MOST_CLASSES:
        every_pair = pd.MultiIndex.from_product([classes, classes], names=["true_class", "predicted_class"])
        frame = (
            frame.set_index(["true_class", "predicted_class"]).reindex(every_pair).reset_index().fillna({"count": 0})
        )
    frame = frame.assign(share=frame["count"] / frame.groupby("true_class")["count"].transform("sum"))
    largest = float(frame["share"].max(skipna=True)) if frame["share"].notna().any() else 0.0
    top = max(math.ceil(round(largest / _STEP, 6)), 1) * _STEP
    return Chart(_matrix_specification(tuple(classes), title, min(top, 1.0)), {"leaps": frame})


@kept
def _matrix_specification(class_names: tuple[str, ...], title: str, top: float) -> alt.LayerChart:
    classes = list(class_names)
    domain = alt.Scale(domain=classes)
    across = alt.X("predicted_class:N", sort=classes, scale=domain, title="predicted class", axis=class_axis(classes))
    down = alt.Y("true_class:N", sort=classes, scale=domain, title="true class", axis=class_rows(classes))
    shades = alt.Color(
        "share:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, top]),
        legend=alt.Legend(
            labelExpr="round(100 * datum.value)",
            tickCount=4,
            title="% of the true class's images",
            orient="top",
            titleLimit=0,
        ),
    )
    tooltip = [
        "true_class:N",
        "predicted_class:N",
        "count:Q",
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    chart = named("leaps")
    marks = chart.mark_rect() if len(classes) <= _MOST_CLASSES else chart.mark_square(size=_SMALLEST_CELL, opacity=1)
    layers = [marks.encode(x=across, y=down, color=shades, tooltip=tooltip)]
    if len(classes) <= _MOST_NUMBERED:
        ink = alt.condition(on_fill("datum.share"), alt.value("white"), alt.value("black"))
        numbers = chart.transform_calculate(percent=_PERCENT).mark_text(fontSize=11)
        layers.append(numbers.encode(x=across, y=down, text="percent:N", color=ink, tooltip=tooltip))
    return alt.LayerChart(
        layer=layers,
        height=_MATRIX_HEIGHT + names_height(classes),
        title=alt.TitleParams(title, anchor="start", fontSize=14),
        view=alt.ViewBackground(fill=_EMPTY),
    )


def top_flows(leaps: pd.DataFrame, most: int = MOST_FLOWS) -> pd.DataFrame:
    """Return the largest flows between different classes: true_class, predicted_class, count, angle, share (of the true class).

    `leaps` has all clusters, including those of samples that kept their class.
    """
    samples = leaps.groupby("true_class")["count"].transform("sum")
    flows = leaps.assign(share=leaps["count"] / samples.where(samples > 0))
    flows = flows[(flows["true_class"] != flows["predicted_class"]) & (flows["count"] > 0)]
    return flows.sort_values("share", ascending=False, kind="stable").head(most).reset_index(drop=True)


def leap_flows(flows: pd.DataFrame, classes: list[str], title: str) -> Chart:
    """Draw the flows of `top_flows` as arrows, with their share as width and the colour of the class that they leave.

    The classes lie on a circle in the order of their labels; all vertices of a simplex are neighbours, so the order has no
    meaning. A click on a class highlights its outgoing flows.
    """
    positions = _positions(classes)
    bends = _bends(flows, positions)
    rows = {"lines": bends, "heads": _heads(bends), "classes": positions}
    rows |= _name_rows(positions, flows, _NEAREST / (_NAMES * _radius(classes)))
    return Chart(_flow_specification(tuple(classes), title), rows)


def _radius(classes: list[str]) -> float:
    """Return the radius of the circle in pixels on a wide page."""
    return ((_SIDE - _TITLE) / 2 - _names_width(classes)) / _NAMES


def _names_width(classes: list[str]) -> int:
    """Return the pixels that the longest name needs on each side of the circle."""
    return min(_LETTER * max(map(len, classes), default=1), _NAME_WIDTH)


@kept
def _flow_specification(class_names: tuple[str, ...], title: str) -> alt.LayerChart:
    classes = list(class_names)
    pick = alt.selection_point(fields=["true_class"], name="picked_flow")
    radius = _radius(classes)
    # The browser knows the width of the chart: on a phone the circle is smaller.
    circle = alt.param(name="radius", expr=f"(min(width, height) / 2 - {_names_width(classes)}) / {_NAMES}")
    across, down = (alt.Scale(domain=alt.ExprRef(_domain(side)), nice=False) for side in ("width", "height"))
    place = {"x": alt.X("x:Q", axis=None, scale=across), "y": alt.Y("y:Q", axis=None, scale=down)}
    tooltip = [
        alt.Tooltip("true_class:N", title="true"),
        alt.Tooltip("predicted_class:N", title="predicted class"),
        "count:Q",
        alt.Tooltip("share:Q", format=".1%", title="share of the true class"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    style = {
        "color": alt.Color("true_class:N", scale=class_scale(classes), legend=None),
        "opacity": alt.when(pick).then(alt.value(0.8)).otherwise(alt.value(0.05)),
        "tooltip": tooltip,
    }
    width = alt.StrokeWidth("share:Q", scale=alt.Scale(domain=[0, 1], range=[_THINNEST, _WIDEST]), legend=None)
    lines = named("lines").mark_line(strokeCap="butt")
    lines = lines.encode(**place, **style, strokeWidth=width, detail="flow:N", order="step:Q")
    heads = named("heads").mark_point(shape="triangle", filled=True)
    size = alt.Size("head:Q", scale=None)
    heads = heads.encode(**place, **style, angle=alt.Angle("heading:Q", scale=None), size=size)
    room = 2 * np.pi * radius / max(len(classes), 1)
    dots = named("classes").mark_point(filled=True, size=min(_DOT, max(room, 2) ** 2), opacity=1)
    dots = dots.encode(**place, color=style["color"], tooltip=alt.Tooltip("true_class:N", title="class"))
    layers = [lines, heads, dots.add_params(pick), *_names(len(classes) > _MANY, place)]
    heading = alt.TitleParams(title, anchor="start", fontSize=14)
    return alt.LayerChart(layer=layers, height=_SIDE, title=heading, usermeta=ISOMETRIC).add_params(circle)


def _domain(side: str) -> str:
    """Return the Vega expression of the range of a scale, in radii of the circle."""
    return f"[-{side} / 2 / radius, {side} / 2 / radius]"


def _apart(angles: pd.Series, flows: pd.DataFrame, nearest: float) -> list[str]:
    """Return the classes of the flows, largest first, without those closer than `nearest` (rad) to an earlier one."""
    named: list[str] = []
    for name in dict.fromkeys(flows[["true_class", "predicted_class"]].to_numpy().ravel()):
        between = np.abs(angles[named].to_numpy() - angles[name])
        if (np.minimum(between, 2 * np.pi - between) >= nearest).all():
            named.append(name)
    return named


def _positions(classes: list[str]) -> pd.DataFrame:
    """Return a row per class: true_class, x, y on the unit circle, clockwise from the top, turn (rad from the top)."""
    angle = 2 * np.pi * np.arange(len(classes)) / max(len(classes), 1)
    return pd.DataFrame({"true_class": classes, "x": np.sin(angle), "y": np.cos(angle), "turn": angle})


def _bends(flows: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Return points along each flow (flow, step, x, y).

    The curve is a parabola that bends towards the middle and to its right, to separate the two flows between two classes.
    """
    where = positions.set_index("true_class")[["x", "y"]]
    begin, end = (where.reindex(flows[name]).to_numpy(float)[:, None] for name in ("true_class", "predicted_class"))
    aside = (end - begin)[..., ::-1] * np.array([1.0, -1.0])
    near = 1 - 0.35 * np.linalg.norm(end - begin, axis=-1, keepdims=True)  # near the circle for neighbours
    bend = near * (begin + end) / 2 + 0.15 * aside
    t = np.linspace(0.05, 0.93, _STEPS)[None, :, None]
    curve = (1 - t) ** 2 * begin + 2 * t * (1 - t) * bend + t**2 * end
    points = flows.loc[flows.index.repeat(_STEPS)].reset_index(drop=True)
    flat = curve.reshape(-1, 2)
    steps = np.tile(np.arange(_STEPS), len(flows))
    return points.assign(flow=np.repeat(np.arange(len(flows)), _STEPS), step=steps, x=flat[:, 0], y=flat[:, 1])


def _heads(bends: pd.DataFrame) -> pd.DataFrame:
    """Return the last point of each flow, its heading (degrees clockwise from the top) and arrowhead size (square pixels)."""
    last, before = bends[bends["step"] == _STEPS - 1], bends[bends["step"] == _STEPS - 2]
    across, up = (last[axis].to_numpy() - before[axis].to_numpy() for axis in ("x", "y"))
    width = _THINNEST + (_WIDEST - _THINNEST) * last["share"]
    return last.assign(heading=np.degrees(np.arctan2(across, up)), head=(6 + 1.5 * width) ** 2)


def _name_rows(positions: pd.DataFrame, flows: pd.DataFrame, nearest: float) -> dict[str, pd.DataFrame]:
    """Return the class names outside the circle by their side of it, whose name says how they are aligned.

    If there are many classes, only those with a flow are named. If two names are closer than `nearest` (rad) then, the one with
    the larger flow is.
    """
    spokes = len(positions) > _MANY
    if spokes:
        named_classes = _apart(positions.set_index("true_class")["turn"], flows, nearest)
        positions = positions[positions["true_class"].isin(named_classes)]
    positions = positions.assign(
        x=_NAMES * positions["x"], y=_NAMES * positions["y"], tilt=np.degrees(positions["turn"]) - 90
    )
    sides = np.sign(np.where(np.abs(positions["x"]) < 0.05, 0 if not spokes else 1, positions["x"]))
    on_sides = {
        f"names {align}": positions[sides == side] for side, align in ((1, "left"), (0, "center"), (-1, "right"))
    }
    return on_sides | {"names right": on_sides["names right"].assign(tilt=lambda names: names["tilt"] - 180)}


def _names(radial: bool, place: dict) -> list[alt.Chart]:
    """Draw the names of `_name_rows`."""
    layers = []
    for align in _ALIGNMENTS:
        text = named(f"names {align}")
        names = text.mark_text(
            color=quiet_text(), fontSize=10 if radial else 13, align=align, baseline="middle", limit=_NAME_WIDTH
        )
        names = names.encode(**place, text="true_class:N")
        layers.append(names.encode(angle=alt.Angle("tilt:Q", scale=None)) if radial else names)
    return layers
