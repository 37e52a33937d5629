"""Scatter charts of features in a plane and of their movement under an attack.

Tested by tests/rnc/ui/charts/test_charts.py.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from rnc.ui.charts.chart_with_cached_specification import Chart, cached_specification, named
from rnc.ui.charts.condition_words import words_expression
from rnc.ui.charts.equal_axes import ISOMETRIC, SCALE_BAR_ROWS, Frame, frame_of, scale_bar
from rnc.ui.charts.palette import GREY, class_scale
from rnc.ui.charts.plane_chart_rows import (
    CHOSEN_MOVES,
    CHOSEN_POINTS,
    MOVES,
    POINTS,
    VEIL,
    choice_in,
    point_and_arrow_rows,
    with_chosen_and_veil_rows,
    with_chosen_marked_and_last,
)
from rnc.ui.charts.text_colours import quiet_text
from rnc.vocabulary import Role

_HEIGHT, _HEIGHT_WITH_LEGEND_BELOW, _SIMPLEX_HEIGHT = 520, 560, 450
OUTSIDE = 1.3
"""Distance of vertex names from the middle of a simplex plane's triangle, relative to the vertices, in the rows of a chart."""
_NEARER = 0.9
"""Distance at which the names are drawn, relative to the stored one, so that they are at their vertices."""
_INWARDS, _OUTWARDS = "datum.side < 0 ? 'left' : datum.side > 0 ? 'right' : 'center'", "12 * datum.side"
"""Vega expressions for a vertex name: alignment and offset in pixels, so that long names extend away from the chart's edge."""
_APART = "hypot(scale('x', datum.x) - scale('x', 0), scale('y', datum.y) - scale('y', 0)) > 60 ? 1 : 0"
"""Vega expression for the opacity of a vertex name: the names of a very small triangle would lie over each other."""

PICKED_SAMPLE = "picked_sample"
"""The name of the selection of `feature_plane` that holds the clicked sample."""

BRUSHED = "brushed"
"""The name of the selection that holds the box (x, y) drawn with a `brush`."""

_DRAG = "[pointerdown[{}event.pointerType !== 'touch'], window:pointerup] > window:pointermove!"
_CLICK = "click[!event.shiftKey]"
"""Event filters with a brush, where shift moves the plane: the end of a drag also counts as a click on a mark."""
_WHEEL = "wheel![event.ctrlKey || event.metaKey]"
"""Event filter of the zoom: the wheel alone and a finger scroll the page, wherever they are."""
_FULL_SIZE = 400  # number of marks; more marks are drawn smaller
_SIZE, _LEAST_SIZE = 42, 6
_STRONG, _FAINT = 0.85, 0.1
"""The opacity of points, and of those among which others stand out."""
_TOOLTIP = "{{sample: datum.sample, true: datum.label, predicted: datum.predicted, condition: {condition}}}"
"""Tooltips as one expression per mark, a fifth of the length of Vega-Lite's own tooltips (from an encoding)."""
_ADDRESS = re.compile(r"[\w/-]+", re.ASCII)
_LETTERS_BELOW = 50  # letters of class names that fit side by side below a narrow plane
_LETTERS, _NAME_WIDTH = (
    18,
    120,
)  # letters and pixels of a name in a legend or at a vertex; a longer name is cut, and shown in full on hover
_ROWS_BELOW, _MOST_IN_LEGEND = 6, 24
_LEGEND_TITLE, _ENTRY = 75, 38  # pixels of a legend's title, and of an entry besides its letters


@dataclass(frozen=True)
class PlaneExtras:
    """The parts of a `feature_plane` besides its points; each is left out if None."""

    triangle: pd.DataFrame | None = None
    """The vertices of a simplex plane (label, x, y), which are joined and named."""
    path: pd.DataFrame | None = None
    """The trajectory of a sample (x, y, place)."""
    extent: pd.DataFrame | None = None
    """Further points (x, y) that the axes include, so that all epochs of a run, or all moments of a film, share their axes."""
    image_address: str | None = None
    """The address of the images that show on hover; the number of a sample is appended."""


def feature_plane(
    frame: pd.DataFrame,
    classes: list[str],
    perturbed: str,
    *,
    arrows: bool,
    brush: bool = False,
    chosen: Collection[int] = (),
    highlighted: Collection[str] = (),
    extras: PlaneExtras = PlaneExtras(),
) -> Chart:
    """Draw points (shown, sample, label, predicted, x, y): clean as circles, `perturbed` as triangles, coloured by true class.

    With `arrows`, a line leads from each clean point to its perturbed point. With a `brush`, dragging draws a box, and moves the
    plane only with shift; `chosen` samples that are present are highlighted. A click on a class in the legend highlights it. If
    there are too many classes for a legend (`has_legend`), it names and highlights only those in `highlighted`. The unit is the
    same in x and y, and a scale bar shows its length.

    With a `brush`, a page draws chosen samples once more over a veil, instead of making the others faint: a browser then gets a
    few rows with each box, and keeps the points that it has drawn.
    """
    triangle = extras.triangle
    shown = _frame(frame, extras)
    highlighted = [] if has_legend(classes) else [name for name in classes if name in set(highlighted)]
    choice = choice_in(frame, chosen, highlighted)
    points = point_and_arrow_rows(frame, perturbed, arrows=arrows)
    others = SCALE_BAR_ROWS | ({} if extras.path is None else {"path": extras.path})
    if triangle is not None:
        others |= _simplex_rows(triangle)
    shape = _PlaneShape(
        tuple(classes),
        perturbed,
        frozenset(points | others),
        shown,
        size=max(_SIZE * min(_FULL_SIZE / max(len(frame), 1), 1) ** 0.5, _LEAST_SIZE),
        brush=brush,
        image_address=extras.image_address,
        has_chosen=bool(choice),
        highlighted=tuple(highlighted),
        vertices=None if triangle is None else tuple(triangle["label"]),
    )
    chart = Chart(_plane_specification(shape), with_chosen_marked_and_last(points, choice) | others)
    if not brush:
        return chart
    rows = with_chosen_and_veil_rows(points, choice) | others
    shape = replace(shape, data_sets=frozenset(rows), has_chosen=False)
    return replace(chart, screen=Chart(_plane_specification(shape), rows))


@dataclass(frozen=True)
class _PlaneShape:
    """Everything about a plane but its rows; equal shapes have one specification."""

    classes: tuple[str, ...]
    perturbed: str
    data_sets: frozenset[str]
    """The names of the data sets that the plane has."""
    frame: Frame
    size: float
    """The area of a mark in square pixels."""
    brush: bool
    image_address: str | None
    has_chosen: bool
    """True if rows have the column `chosen`, and those that are not chosen are faint."""
    highlighted: tuple[str, ...]
    """The classes in the legend, if there are too many to name all."""
    vertices: tuple[str, ...] | None
    """The three classes of a simplex plane."""


@cached_specification
def _plane_specification(shape: _PlaneShape) -> alt.LayerChart:
    classes = list(shape.classes)
    pick = alt.selection_point(fields=["label"], bind="legend", name="picked_class") if has_legend(classes) else None
    stands_out = _stands_out(pick, shape.has_chosen)
    legend, shapes = _legends(shape, classes if pick else list(shape.highlighted))
    place: dict[str, Any] = {
        "x": alt.X("x:Q", axis=None, scale=shape.frame.scale("x")),
        "y": alt.Y("y:Q", axis=None, scale=shape.frame.scale("y")),
        "color": alt.Color("label:N", scale=class_scale(classes), legend=legend),
    }
    points = _points(shape, shapes).encode(**place, opacity=_opacity(stands_out, _STRONG, _FAINT))
    lines = named(MOVES).mark_rule(strokeWidth=1).encode(**place, x2=alt.X2("x2:Q"), y2=alt.Y2("y2:Q"))
    lines = lines.encode(opacity=_opacity(stands_out, 0.35, 0.02))
    clicked: dict[str, Any] = {"on": _CLICK, "toggle": False} if shape.brush else {}
    parameters = [alt.selection_point(fields=["sample"], name=PICKED_SAMPLE, **clicked), *([pick] if pick else [])]
    if shape.brush:
        parameters.append(alt.selection_interval(name=BRUSHED, on=_DRAG.format("!event.shiftKey && "), zoom=False))
    layers = [*([lines] if MOVES in shape.data_sets else []), points.add_params(*parameters)]
    if VEIL in shape.data_sets:
        layers.append(_veil())
        chosen = ((lines, CHOSEN_MOVES), (points, CHOSEN_POINTS))
        layers += [_drawn_again(layer, name) for layer, name in chosen if name in shape.data_sets]
    if "path" in shape.data_sets:
        way = named("path").mark_line(color=GREY, strokeWidth=2, point=alt.OverlayMarkDef(size=14, color=GREY))
        layers.append(way.encode(x=place["x"], y=place["y"], order=alt.Order("place:Q")))
    drag = _DRAG.format("event.shiftKey && " if shape.brush else "")
    moved = alt.selection_interval(name="moved", bind="scales", translate=drag, zoom=_WHEEL)
    if shape.vertices is not None:
        layers += _simplex()
    chart = alt.LayerChart(layer=[*layers, *scale_bar()], height=_height(shape), usermeta=ISOMETRIC)
    return chart.add_params(*shape.frame.parameters, moved)


def _drawn_again(layer: alt.Chart, data_set: str) -> alt.Chart:
    """Return a layer with the rows of another data set; those who hear the page are told of the first one."""
    again = layer.properties(data=alt.NamedData(data_set))
    again.mark = layer.mark.copy()
    again.mark.aria = False
    return again


def _veil() -> alt.Chart:
    """Draw the page's background over the plane, through which points look faint; the mouse goes through it, too."""
    everywhere: dict[str, Any] = {
        "x": alt.XValue(0),
        "y": alt.YValue(0),
        "x2": alt.X2Value("width"),
        "y2": alt.Y2Value("height"),
    }
    veil = named(VEIL).mark_rect(color=alt.ExprRef("background"), opacity=1 - _FAINT / _STRONG, aria=False)
    return veil.encode(**everywhere)


def _height(shape: _PlaneShape) -> int:
    if shape.vertices is not None:
        return _SIMPLEX_HEIGHT
    return _HEIGHT_WITH_LEGEND_BELOW if shape.brush else _HEIGHT


def has_legend(classes: list[str]) -> bool:
    """Return whether a legend of the classes leaves enough space for the plane; if not, users search for classes to highlight."""
    return len(classes) <= min(_ROWS_BELOW * _columns(classes), _MOST_IN_LEGEND)


def _columns(classes: list[str]) -> int:
    """Return the number of class names that fit side by side in a legend below a narrow plane."""
    return max(_LETTERS_BELOW // (min(max(map(len, classes), default=1), _LETTERS) + 3), 1)


def _stands_out(pick: alt.Parameter | None, has_chosen: bool) -> Any:
    """Return the condition for full opacity; None if there is none."""
    if not has_chosen:
        return pick
    return alt.datum.chosen if pick is None else pick & alt.datum.chosen


def _opacity(stands_out: Any, strong: float, faint: float) -> Any:
    if stands_out is None:
        return alt.OpacityValue(strong)
    return alt.OpacityValue(**alt.when(stands_out).then(alt.value(strong)).otherwise(alt.value(faint)))


def _legends(shape: _PlaneShape, classes: list[str]) -> tuple[alt.Legend | None, alt.Legend]:
    """Return the legends of classes and shapes: beside the plane, below and above it, or inside a square to save width."""
    shapes: dict[str, Any] = {"title": None, "symbolFillColor": GREY, "labelExpr": _in_words(shape, "datum.value")}
    options: dict[str, Any] = {"symbolOpacity": 1, "labelLimit": _NAME_WIDTH}
    if shape.vertices is not None:
        options |= {"values": list(shape.vertices), "orient": "top-left", "title": None}
        return alt.Legend(**options), alt.Legend(orient="top-right", **shapes)
    options |= {"title": "true class", "values": classes}
    if not shape.brush:
        return alt.Legend(**options) if classes else None, alt.Legend(**shapes)
    letters = min(max(map(len, classes), default=1), _LETTERS)
    fitting = f"clamp(floor((width - {_LEGEND_TITLE}) / {_ENTRY + 8 * letters}), 1, {_columns(classes)})"
    columns = f"ceil({len(classes)} / ceil({len(classes)} / {fitting}))"  # rows of equal length
    options |= {"orient": "bottom", "columns": alt.ExprRef(columns), "titleOrient": "left"}
    return alt.Legend(**options) if classes else None, alt.Legend(orient="top", **shapes)


def _points(shape: _PlaneShape, legend: alt.Legend) -> alt.Chart:
    """Draw a mark per sample and condition, with the condition as its shape."""
    shapes = alt.Scale(domain=[str(Role.CLEAN), shape.perturbed], range=["circle", "triangle-up"])
    tooltip = alt.ExprRef(_tooltip(_in_words(shape, "datum.shown"), shape.image_address))
    points = named(POINTS).mark_point(size=shape.size, filled=True, tooltip=tooltip)
    return points.encode(shape=alt.Shape("shown:N", scale=shapes, legend=legend))


def _in_words(shape: _PlaneShape, value: str) -> str:
    return words_expression([str(Role.CLEAN), shape.perturbed], value)


def _tooltip(condition: str, address: str | None) -> str:
    """Return the Vega expression of a point's tooltip; `condition` is that of its condition."""
    words = _TOOLTIP.format(condition=condition)
    if address is None:
        return words
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"an address of images consists of letters, digits, /, - and _, got {address!r}")
    return words[:-1] + f", image: '{address}' + datum.sample}}"


def _frame(points: pd.DataFrame, extras: PlaneExtras) -> Frame:
    """Return the frame of the points, of the further points of the extras, and of the names of the vertices."""
    further = [] if extras.extent is None else [extras.extent[["x", "y"]]]
    names = [] if extras.triangle is None else [OUTSIDE * extras.triangle[["x", "y"]]]
    return frame_of(pd.concat([points[["x", "y"]], *further, *names]))


def _simplex_rows(triangle: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the sides of the triangle and its vertex names, slightly outside; the middle of the triangle is the origin."""
    sides = pd.concat([triangle, triangle.head(1)], ignore_index=True).assign(place=range(len(triangle) + 1))
    names = triangle.assign(x=OUTSIDE * triangle["x"], y=OUTSIDE * triangle["y"])
    return {"sides": sides, "vertices": names.assign(side=np.round(names["x"] / (names["x"].abs().max() or 1.0)))}


def _simplex() -> list[alt.Chart]:
    """Draw the sides of the triangle and the names of its vertices."""
    place: dict[str, Any] = {"x": alt.X("x:Q"), "y": alt.Y("y:Q")}
    sides = named("sides").mark_line(color=GREY, strokeWidth=1.5).encode(**place, order=alt.Order("place:Q"))
    text: dict[str, Any] = {"fontSize": 13, "fontWeight": "bold", "limit": _NAME_WIDTH, "opacity": alt.ExprRef(_APART)}
    text |= {"align": alt.ExprRef(_INWARDS), "dx": alt.ExprRef(_OUTWARDS)}
    vertices = named("vertices").transform_calculate(x=f"{_NEARER} * datum.x", y=f"{_NEARER} * datum.y")
    ground = vertices.mark_text(stroke=alt.ExprRef("background"), strokeWidth=4, strokeJoin="round", **text)
    names = vertices.mark_text(color=quiet_text(), **text)
    return [sides, *(layer.encode(**place, text=alt.Text("label:N")) for layer in (ground, names))]
