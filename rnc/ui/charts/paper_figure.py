"""Changes of a chart's specification for paper: the size and texts of a figure, without what belongs to a screen.

Tested by tests/rnc/ui/charts/test_paper_figure.py.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rnc.ui.charts.axes import WIDEST_NAME
from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.equal_axes import ISOMETRIC
from rnc.ui.charts.leaping import CIRCLE_SIDE, NAMES_FROM_MIDDLE
from rnc.ui.charts.palette import GREY
from rnc.ui.charts.paper_legend import INK, Legend, take_legends
from rnc.ui.charts.text_width import text_width, wrapped
from rnc.vocabulary import METRIC_INFO

PIXELS_PER_INCH = 96
FONTS = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_ONLY_ON_SCREEN = ("cursor", "current")
"""Data sets that mark the moment which the page shows."""
_ASPECT, _HIGHEST = 0.56, 2.75 * PIXELS_PER_INCH
"""Height of a plot relative to the figure's width, and the largest height."""
_HIGHEST_MATRIX, _LARGEST_SQUARE = 4.5 * PIXELS_PER_INCH, 5.0 * PIXELS_PER_INCH
_WIDEST_NAME, _WIDEST_RADIAL = 0.27, 0.19
"""Largest width of a name beside a circle, horizontal or radial, relative to the figure's width."""
_RADIAL_SIZE = 10.0
"""Font size of the many radial names around a circle in pixels, on a screen."""
_THINNER = 0.75
"""Width of lines and diameter of points relative to those of a screen."""
_TITLE, _SUBTITLE, _BOLD = 1.1, 0.9, 1.08
"""Font sizes relative to that of the text, and the width of bold letters relative to the others."""
_LEAST_NUMBER = 5 / 0.75
"""Smallest font size of the numbers in a matrix, in pixels: 5 points. Smaller ones are left out."""
_TITLES = {"epoch": "epoch", "frame": "step"}
"""Titles of axes whose fields the page's chart does not name."""
_OVER_EPOCHS = " by epoch"
_MEANINGS = {info.label: info.meaning for info in METRIC_INFO.values()}
_UNITS = ("rad", "nats")
_SLANTED, _VERTICAL = -40, -90
_RISE = math.sin(math.radians(-_SLANTED))
_PADDING = 4
"""Pixels around the figure, since the renderer draws some letters wider than Vega takes them."""
_LINE = 1.15
"""Distance between two lines of text relative to the font size."""
_OF_AN_ANGLE = ("labelAlign", "labelBaseline")
"""Options of an axis that depend on the angle of its labels."""
_TICK = 8
"""Pixels between an axis and its labels."""


@dataclass(frozen=True)
class PaperFigure:
    """A figure for paper: its specification without rows, and the legends to draw below it."""

    specification: dict[str, Any]
    legends: list[Legend]


def for_paper(chart: Chart, width: float, size: float) -> PaperFigure:
    """Return a chart as a figure of this width, whose texts have this size, both in pixels of 96 per inch."""
    spec = chart.specification
    layers = spec.get("layer", [spec])
    is_circle = "width" in spec  # the only charts whose width a page does not set
    layers[:] = [layer for layer in layers if layer.get("data", {}).get("name") not in _ONLY_ON_SCREEN]
    for layer in layers:
        layer.setdefault("data", spec.get("data", {}))
        layer["mark"] = {"type": layer["mark"]} if isinstance(layer["mark"], str) else layer["mark"]
        _without_legend_clicks(layer)
    _set_size(spec, layers, width, size)
    if is_circle:
        _set_circle(spec, layers, chart.rows, size)
    _set_titles(spec, layers, width, size)
    _fit_names(spec, layers, width, size)
    _fit_numbers(spec, layers, size)
    for layer in layers:
        _draw_thinner(layer, size)
    spec["background"], spec["padding"] = None, _PADDING
    spec["config"] = _config(width, size)
    return PaperFigure(spec, take_legends(layers, chart.rows))


def _config(width: float, size: float) -> dict[str, Any]:
    """Return font sizes, colours and widths of lines."""
    text = {
        "labelFontSize": size,
        "titleFontSize": size,
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
    }
    legend = {"orient": "bottom", "gradientLength": round(0.6 * width), "gradientThickness": 8, "titleLimit": 0}
    return {
        "font": FONTS,
        "axis": text | {"labelSeparation": size / 2, "gridColor": "#E4E4E4", "gridWidth": 0.5, "tickSize": 4}
        | {"domainWidth": 0.75, "tickWidth": 0.75, "titleLimit": 0},
        "legend": text | legend | {"labelLimit": 0},
        "view": {"stroke": None},
        "text": {"color": INK},
    }  # fmt: skip


def _without_legend_clicks(layer: dict[str, Any]) -> None:
    """Take away the binding of selections to legends, since a figure's legends are not Vega's."""
    for parameter in layer.get("params", []):
        if parameter.get("bind") == "legend":
            del parameter["bind"]


def _set_size(spec: dict[str, Any], layers: list[dict[str, Any]], width: float, size: float) -> None:
    """Set the figure's width including axes, and the height of its plot: planes and matrices are squares."""
    spec["width"], spec["autosize"] = width, {"type": "fit-x", "contains": "padding"}
    rows = _names(_axes(layers, "y"))
    if spec.get("usermeta") == ISOMETRIC:
        spec["height"] = min(width, _LARGEST_SQUARE)
    elif rows:
        spec["height"] = round(min(_matrix_width(layers, width, size), _HIGHEST_MATRIX))
    else:
        spec["height"] = round(min(_ASPECT * width, _HIGHEST))


def _matrix_width(layers: list[dict[str, Any]], width: float, size: float) -> float:
    """Return the width of a matrix beside the names of its rows."""
    y = _axes(layers, "y")
    title = 1.5 * size if any(each.get("title") for each in y) else 0
    longest = max(text_width(name, size) for name in _names(y))
    return width - min(longest, _widest(width)) - title - _TICK - 2 * _PADDING


def _widest(width: float) -> float:
    """Return the largest width of a name on an axis; a longer one is cut."""
    return min(WIDEST_NAME, 0.3 * width)


def _axes(layers: list[dict[str, Any]], channel: str) -> list[dict[str, Any]]:
    """Return the encodings of x or y that have an axis."""
    encodings = [layer.get("encoding", {}).get(channel, {}) for layer in layers]
    return [each for each in encodings if "field" in each and each.get("axis", {}) is not None]


def _names(axes: list[dict[str, Any]]) -> list[str]:
    """Return the names on an axis in their order; empty if it is an axis of numbers."""
    return next(
        (each["sort"] for each in axes if each.get("type") == "nominal" and isinstance(each.get("sort"), list)), []
    )


def _set_circle(spec: dict[str, Any], layers: list[dict[str, Any]], rows: dict[str, pd.DataFrame], size: float) -> None:
    """Draw a circle with names around it as a square, with the circle as large as the longest name allows."""
    side = spec["width"] = spec["height"] = min(spec["width"], _LARGEST_SQUARE)
    texts = [layer for layer in layers if layer["mark"]["type"] == "text"]
    names = [name for layer in texts for name in rows[layer["data"]["name"]][_field(layer, "text")]]
    radial = any("angle" in layer["encoding"] for layer in texts)
    size = min(size, _RADIAL_SIZE * side / CIRCLE_SIDE) if radial else size
    widest = (_WIDEST_RADIAL if radial else _WIDEST_NAME) * side
    longest = min(max((text_width(str(name), size) for name in names), default=0), widest)
    reach = NAMES_FROM_MIDDLE * side / 2 / (side / 2 - longest - _TICK)
    shrunk = side / CIRCLE_SIDE
    for layer in layers:
        layer["encoding"]["x"]["scale"]["domain"] = layer["encoding"]["y"]["scale"]["domain"] = [-reach, reach]
        for channel, power in (("strokeWidth", 1), ("size", 2)):
            if "scale" in layer["encoding"].get(channel, {}):
                scale = layer["encoding"][channel]["scale"]
                scale["range"] = [shrunk**power * length for length in scale["range"]]
    for layer in texts:
        layer["mark"] |= {"fontSize": size, "limit": widest}


def _field(layer: dict[str, Any], channel: str) -> str:
    return str(layer["encoding"][channel]["field"])


def _set_titles(spec: dict[str, Any], layers: list[dict[str, Any]], width: float, size: float) -> None:
    """Name the axes that are not named, and break the figure's title into lines that fit."""
    for axis in _axes(layers, "x"):
        axis["title"] = axis.get("title") or _TITLES.get(axis["field"])
    title = spec.get("title")
    if not isinstance(title, dict):
        return
    text, meaning = title["text"], title.get("subtitle", "")
    unit = _unit(meaning or _MEANINGS.get(text, ""))
    value = text.split(" · ")[0].removesuffix(_OVER_EPOCHS)
    values = [each for each in _axes(layers, "y") if each.get("type") == "quantitative"]
    for axis in [] if any(each.get("title") for each in values) else values:
        axis["title"] = wrapped(value + unit, spec["height"], size)
        if text.removesuffix(_OVER_EPOCHS) == value and not meaning:
            spec.pop("title", None)  # it would repeat the axis
    title |= {"fontSize": _TITLE * size, "color": "#000000", "offset": size / 2, "frame": "bounds"}
    title |= {"text": wrapped(text, width - 4, _BOLD * _TITLE * size)}
    title |= {"subtitleFontSize": _SUBTITLE * size, "subtitleColor": "#555555"}
    if meaning:
        title["subtitle"] = wrapped(meaning, width - 4, _SUBTITLE * size)


def _unit(meaning: str) -> str:
    """Return the unit of a value for its axis, from its meaning in words."""
    return next((f" ({unit})" for unit in _UNITS if re.search(rf"\b{unit}\b", meaning)), "")


def _fit_names(spec: dict[str, Any], layers: list[dict[str, Any]], width: float, size: float) -> None:
    """Write the names of columns horizontally, slanted or vertically, whichever fits first; leave out names that do not fit."""
    rows, columns = _axes(layers, "y"), _axes(layers, "x")
    if names := _some_names(rows):
        every = math.ceil(_LINE * size * len(_names(rows)) / spec["height"])
        _set_axis(rows, {"labelLimit": _widest(width), "values": names[::every]})
    names = _some_names(columns)
    if not names:
        return
    plot = _matrix_width(layers, width, size) if _names(rows) else width - 4 * size
    step = plot / len(names)
    longest = max(text_width(name, size) for name in names)
    angle = 0 if longest + size / 3 < step else _SLANTED if step * _RISE > 1.05 * size else _VERTICAL
    every = math.ceil(_LINE * size / step) if angle == _VERTICAL else 1
    options = {"labelAngle": angle, "labelLimit": _widest(width), "labelOverlap": False, "values": names[::every]}
    _set_axis(columns, options)


def _some_names(axes: list[dict[str, Any]]) -> list[str]:
    """Return the names that an axis shows; empty if it is an axis of numbers."""
    chosen = next((each["axis"]["values"] for each in axes if (each.get("axis") or {}).get("values")), None)
    return (chosen or _names(axes)) if _names(axes) else []


def _set_axis(axes: list[dict[str, Any]], options: dict[str, Any]) -> None:
    for each in axes:
        usual = {name: value for name, value in (each.get("axis") or {}).items() if name not in _OF_AN_ANGLE}
        each["axis"] = usual | options


def _fit_numbers(spec: dict[str, Any], layers: list[dict[str, Any]], size: float) -> None:
    """Make the numbers in the cells of a matrix small enough, or leave them out."""
    names = _names(_axes(layers, "y"))
    for layer in [layer for layer in layers if names and layer["mark"]["type"] == "text"]:
        number = layer["encoding"]["text"].get("format", "")
        longest = text_width("−0.00" if number.endswith("f") else "100", 1.0)
        fitting = min(size, 0.88 * spec["height"] / len(names) / longest)
        if fitting < _LEAST_NUMBER:
            layers.remove(layer)
        else:
            layer["mark"]["fontSize"] = round(fitting, 2)


def _draw_thinner(layer: dict[str, Any], size: float) -> None:
    """Adapt the lines, points and texts of a mark to paper."""
    mark = layer["mark"]
    for part in (mark, mark.get("point")):
        if isinstance(part, dict):
            if isinstance(part.get("strokeWidth"), int | float):
                part["strokeWidth"] *= _THINNER
            if isinstance(part.get("size"), int | float):
                part["size"] *= _THINNER**2
    if isinstance(mark.get("point"), dict) and mark["point"].get("opacity") == 0:
        del mark["point"]  # needed only for its tooltip
    if mark["type"] == "text":
        mark["fontSize"] = min(mark.get("fontSize", size), size)
        mark["color"] = INK if mark.get("color") == GREY else mark.get("color", INK)
    layer.get("encoding", {}).pop("tooltip", None)
    colour = layer.get("encoding", {}).get("color", {})
    if colour.get("type") == "quantitative" and isinstance(colour.get("legend"), dict):
        colour["legend"] |= {"orient": "bottom"}
        mark.pop("point", None)  # with points, Vega-Lite draws a row of symbols instead of a gradient, and cuts it
