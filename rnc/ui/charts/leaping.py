"""Charts of leaps: a matrix of true against predicted class, and flows between classes that lie on a circle."""

from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.axes import class_axis, class_rows, extra_height_for_names
from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.palette import class_scale
from rnc.ui.charts.text_colours import on_fill, quiet_text

MOST_FLOWS = 30
"""Largest number of arrows that stays readable."""
CIRCLE_SIDE = 470
"""Width and height of the flows in pixels."""
_TITLE = 24  # pixels of the side
_LETTER, _NAME_WIDTH = 7, 90
"""Width of a letter and largest width of a name, in pixels; a longer name is cut, and shown in full on hover."""
NAMES_FROM_MIDDLE = 1.1
"""Distance of the names from the middle of the circle, relative to its radius."""
_STEPS = 24
_WIDEST, _THINNEST = 14.0, 0.6  # pixels of a line, for all samples of a class and for none
_MANY = 24  # number of classes above which names are written radially
_NEAREST = 10  # pixels between two radial names
_DOT = 110  # area of a class's dot in square pixels, if there is enough space
_MATRIX_HEIGHT = 470
_MOST_NUMBERED = 12
"""Number of classes above which the cells have no numbers."""
_SHARES = (0.25, 0.5)
"""Ends of the colour scale besides 1: the first that no share exceeds."""
_MOST_CLASSES = 60
"""Number of classes above which empty pairs are not drawn: so many rectangles leave gaps and are slow in a browser."""
_SMALLEST_CELL = 9  # square pixels; a cell of a thousand classes would be less than a pixel wide
_EMPTY = "#440154"  # the colour of a share of 0
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
    largest = next((step for step in _SHARES if not (frame["share"] > step).any()), 1.0)
    return Chart(_matrix_specification(tuple(classes), title, largest), {"leaps": frame})


@cached_specification
def _matrix_specification(class_names: tuple[str, ...], title: str, largest: float) -> alt.LayerChart:
    classes = list(class_names)
    domain = alt.Scale(domain=classes)
    across = alt.X("predicted_class:N", sort=classes, scale=domain, title="predicted class", axis=class_axis(classes))
    down = alt.Y("true_class:N", sort=classes, scale=domain, title="true class", axis=class_rows(classes))
    shades = alt.Color(
        "share:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, largest]),
        legend=alt.Legend(format="%", title="share of the true class (numbers in %)", orient="top", titleLimit=0),
    )
    tooltip: list[Any] = [
        alt.Tooltip("true_class:N"),
        alt.Tooltip("predicted_class:N"),
        alt.Tooltip("count:Q"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    base = named("leaps").encode(x=across, y=down, tooltip=tooltip)
    is_small = len(classes) <= _MOST_CLASSES
    cells = (base.mark_rect() if is_small else base.mark_square(size=_SMALLEST_CELL, opacity=1)).encode(color=shades)
    layers = [cells] if len(classes) > _MOST_NUMBERED else [cells, _percentages(base)]
    heading = alt.TitleParams(title, anchor="start", fontSize=14)
    ground = alt.ViewBackground(fill=_EMPTY)
    return alt.LayerChart(
        layer=layers, height=_MATRIX_HEIGHT + extra_height_for_names(classes), title=heading, view=ground
    )


def _percentages(base: alt.Chart) -> alt.Chart:
    """Write the shares of at least half a percent into their cells."""
    ink = alt.ColorValue(**alt.condition(on_fill("datum.share"), alt.value("white"), alt.value("black")))
    return (
        base.transform_filter(alt.datum["share"] >= 0.005)
        .transform_calculate(percent="round(100 * datum.share)")
        .mark_text(fontSize=11)
        .encode(text=alt.Text("percent:Q"), color=ink)
    )


def top_flows(leaps: pd.DataFrame, most: int = MOST_FLOWS) -> pd.DataFrame:
    """Return the largest flows between different classes: true_class, predicted_class, count, angle, share (of the true class).

    `leaps` has all clusters, including those of samples that kept their class.
    """
    samples = leaps.groupby("true_class")["count"].transform("sum")
    flows = leaps.assign(share=leaps["count"] / samples.where(samples > 0))
    flows = flows[(flows["true_class"] != flows["predicted_class"]) & (flows["count"] > 0)]
    return flows.sort_values("share", ascending=False, kind="stable").head(most).reset_index(drop=True)


def arrows_of_leaps_between_classes(flows: pd.DataFrame, classes: list[str], title: str) -> Chart:
    """Draw the flows of `top_flows` as arrows, with their share as width and the colour of the class that they leave.

    The classes lie on a circle in the order of their labels; all vertices of a simplex are neighbours, so the order has no
    meaning. A click on a class highlights its outgoing flows.
    """
    positions = _positions(classes)
    bends = _bends(flows, positions)
    rows = {"lines": bends, "heads": _heads(bends), "classes": positions}
    rows |= _name_rows(positions, flows, _NEAREST / (NAMES_FROM_MIDDLE * _radius(classes)))
    return Chart(_flow_specification(tuple(classes), title), rows)


def _radius(classes: list[str]) -> float:
    """Return the radius of the circle in pixels, which leaves space for the longest name."""
    longest = max(map(len, classes), default=1)
    return ((CIRCLE_SIDE - _TITLE) / 2 - min(_LETTER * longest, _NAME_WIDTH)) / NAMES_FROM_MIDDLE


@cached_specification
def _flow_specification(class_names: tuple[str, ...], title: str) -> alt.LayerChart:
    classes = list(class_names)
    pick = alt.selection_point(fields=["true_class"], name="picked_flow")
    radius = _radius(classes)
    reach = (CIRCLE_SIDE - _TITLE) / 2 / radius
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    place = {"x": alt.X("x:Q", axis=None, scale=scale), "y": alt.Y("y:Q", axis=None, scale=scale)}
    tooltip = [
        alt.Tooltip("true_class:N", title="true"),
        alt.Tooltip("predicted_class:N", title="predicted class"),
        alt.Tooltip("count:Q"),
        alt.Tooltip("share:Q", format=".1%", title="share of the true class"),
        alt.Tooltip("angle:Q", format=".2f", title="angle to clean vertex (rad)"),
    ]
    style = {
        "color": alt.Color("true_class:N", scale=class_scale(classes), legend=None),
        "opacity": alt.OpacityValue(**alt.when(pick).then(alt.value(0.8)).otherwise(alt.value(0.05))),
        "tooltip": tooltip,
    }
    width = alt.StrokeWidth("share:Q", scale=alt.Scale(domain=[0, 1], range=[_THINNEST, _WIDEST]), legend=None)
    lines = named("lines").mark_line(strokeCap="butt")
    lines = lines.encode(**place, **style, strokeWidth=width, detail=alt.Detail("flow:N"), order=alt.Order("step:Q"))
    heads = named("heads").mark_point(shape="triangle", filled=True)
    size = alt.Size("head:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)  # square pixels as they are
    heads = heads.encode(**place, **style, angle=alt.Angle("heading:Q", scale=None), size=size)
    room = 2 * np.pi * radius / max(len(classes), 1)
    dots = named("classes").mark_point(filled=True, size=min(_DOT, max(room, 2) ** 2), opacity=1)
    dots = dots.encode(**place, color=style["color"], tooltip=alt.Tooltip("true_class:N", title="class"))
    layers = [lines, heads, dots.add_params(pick), *_names(len(classes) > _MANY, place)]
    heading = alt.TitleParams(title, anchor="start", fontSize=14)
    return alt.LayerChart(layer=layers, width=CIRCLE_SIDE, height=CIRCLE_SIDE, title=heading)


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
        x=NAMES_FROM_MIDDLE * positions["x"],
        y=NAMES_FROM_MIDDLE * positions["y"],
        tilt=np.degrees(positions["turn"]) - 90,
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
        names = names.encode(**place, text=alt.Text("true_class:N"))
        layers.append(names.encode(angle=alt.Angle("tilt:Q", scale=None)) if radial else names)
    return layers
