"""Legends of exported figures, drawn below the figure: entry after entry, in as many lines as the width of the figure asks for.

Vega-Lite gives all entries of a legend the width of the longest one and cuts those that do not fit. A page draws the legend of
its runs and conditions once for all panels (`curve_legend`), whereas each exported figure needs its own.

Tested by tests/rnc/ui/charts/test_paper_legend.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from rnc.conditions import conditions_in_words
from rnc.ui.charts.mark_explanations import LEGEND_NAMES
from rnc.ui.charts.palette import GREY
from rnc.ui.charts.text_width import text_width, wrapped

INK = "#333333"
"""Colour of texts and of symbols that have no colour of their meaning."""
_SHARED = ("run", "shown", "label", "source")
"""The fields that need a legend in a figure even where the page's chart has none."""
_DISCRETE = ("color", "strokeDash", "shape")
_MARKS = ("line", "bar", "point", "area", "rule")
"""The marks that a symbol can represent; of the layers that use a field, the one with the first of these does."""
_MOST_ENTRIES = 24
"""Largest number of entries of a field whose legend the page leaves out; a data set may have a thousand classes."""
_UPRIGHT = "upright"
_SHAPES = {
    _UPRIGHT: '<path d="M{x},{top}h2.2V{bottom}h-2.2Z" {paint}/>',
    "circle": '<circle cx="{x}" cy="{y}" r="{half}" {paint}/>',
    "square": '<rect x="{left}" y="{top}" width="{side}" height="{side}" {paint}/>',
    "diamond": '<path d="M{x},{top}L{right},{y}L{x},{bottom}L{left},{y}Z" {paint}/>',
    "triangle-up": '<path d="M{x},{top}L{right},{bottom}L{left},{bottom}Z" {paint}/>',
}
_LINE_HEIGHT, _SYMBOL, _STROKE, _GAP, _BETWEEN = 1.35, 0.75, 2.4, 0.45, 1.1
"""Relative to the font size: height of a line, width of a symbol and of a line's symbol, space after it, and between entries."""


@dataclass(frozen=True)
class Entry:
    """An entry of a legend."""

    name: str
    colour: str = INK
    dash: tuple[float, ...] | None = None
    """The dash of a line, empty if it is solid; None if the symbol is no line."""
    shape: str = "circle"
    width: float = 1.5
    """The width of a line in pixels."""

    def symbol_width(self, size: float) -> float:
        """Return the width of the symbol in pixels; 0 for a title, which has none."""
        return 0.0 if not self.shape else size * (_SYMBOL if self.dash is None else _STROKE)

    def symbol(self, x: float, y: float, size: float) -> str:
        """Return the symbol as SVG, from x to the right, with its middle at the height y."""
        if not self.shape:
            return ""
        if self.dash is not None:
            dashes = f' stroke-dasharray="{",".join(f"{length:g}" for length in self.dash)}"' if self.dash else ""
            return (
                f'<line x1="{x:.2f}" y1="{y:.2f}" x2="{x + self.symbol_width(size):.2f}" y2="{y:.2f}" stroke="{self.colour}" '
                f'stroke-width="{self.width:g}"{dashes}/>'
            )
        half = _SYMBOL * size / 2
        corners = {"x": x + half, "y": y, "left": x, "right": x + 2 * half, "top": y - half, "bottom": y + half}
        numbers = {name: f"{value:.2f}" for name, value in (corners | {"half": half, "side": 2 * half}).items()}
        return _SHAPES.get(self.shape, _SHAPES["circle"]).format(paint=f'fill="{self.colour}"', **numbers)


Legend = list[Entry]
"""The entries of a field, after its title if it has one."""


def take_legends(layers: list[dict[str, Any]], rows: dict[str, pd.DataFrame]) -> list[Legend]:
    """Return the legends of the layers' fields that have few values, and take them out of the layers."""
    fields: dict[str, dict[str, Any]] = {}
    for layer in sorted(layers, key=_rank):
        for channel in _DISCRETE:
            encoding = layer.get("encoding", {}).get(channel)
            if isinstance(encoding, dict) and "domain" in (encoding.get("scale") or {}):
                _add_channel(fields, encoding, channel, layer)
    legends = [_entries(field, channels, rows) for field, channels in fields.items() if channels["named"]]
    rules = [_explained(layer) for layer in layers if _data_set(layer) in LEGEND_NAMES and len(rows[_data_set(layer)])]
    return [legend for legend in (*legends, rules) if legend]


def _rank(layer: dict[str, Any]) -> int:
    kind = layer["mark"]["type"]
    return _MARKS.index(kind) if kind in _MARKS else len(_MARKS)


def _data_set(layer: dict[str, Any]) -> str:
    return str(layer.get("data", {}).get("name", ""))


def _add_channel(
    fields: dict[str, dict[str, Any]], encoding: dict[str, Any], channel: str, layer: dict[str, Any]
) -> None:
    """Note how a channel shows its field, unless an earlier layer did, and take its legend."""
    if encoding.get("type") != "nominal":
        return
    legend = encoding.get("legend", {})
    encoding["legend"] = None
    field = fields.setdefault(encoding["field"], {"named": False, "mark": layer["mark"], "legend": {}})
    field.setdefault(channel, encoding["scale"])
    field["named"] |= legend is not None or encoding["field"] in _SHARED
    field["legend"] = field["legend"] or legend or {}


def _entries(field: str, channels: dict[str, Any], rows: dict[str, pd.DataFrame]) -> Legend:
    """Return an entry for each value of a field that the figure shows."""
    mark, legend = channels["mark"], channels["legend"]
    columns = {channel: dict(zip(channels[channel]["domain"], channels[channel]["range"], strict=False))
               for channel in _DISCRETE if channel in channels}  # fmt: skip
    present = {value for frame in rows.values() if field in frame for value in frame[field].unique()}
    wanted = set(legend["values"]) if legend.get("values") else present
    names = [name for name in next(iter(columns.values())) if name in wanted and str(name)]
    if not legend and len(names) > _MOST_ENTRIES:
        return []
    title = legend.get("title") or ("true class" if field == "label" and not legend.get("values") else None)
    words = conditions_in_words(names) if field == "shown" else {}
    entries = [Entry(title, shape="")] if title and names else []
    for name in names:
        colour = columns.get("color", {}).get(name) or _constant_colour(mark)
        if mark["type"] == "line":
            dash = tuple(columns.get("strokeDash", {}).get(name, ()))
            entries.append(
                Entry(words.get(name, str(name)), colour, () if 0 in dash else dash, width=mark.get("strokeWidth", 1.5))
            )
        else:
            usual = "square" if mark["type"] == "bar" else "circle"
            shape = columns.get("shape", {}).get(name, usual)
            entries.append(Entry(words.get(name, str(name)), colour, shape=shape))
    return entries


def _constant_colour(mark: dict[str, Any]) -> str:
    colour = mark.get("color")
    return colour if isinstance(colour, str) and colour.startswith("#") else INK


def _explained(layer: dict[str, Any]) -> Entry:
    mark, name = layer["mark"], LEGEND_NAMES[_data_set(layer)]
    if mark["type"] != "rule":
        return Entry(name, GREY, shape=mark.get("shape", "circle"))
    if "y" not in layer["encoding"]:
        return Entry(name, GREY, shape=_UPRIGHT)
    return Entry(name, mark.get("color", GREY), tuple(mark.get("strokeDash", ())), width=mark.get("strokeWidth", 1))


def draw_legends(legends: Iterable[Legend], width: float, size: float, font: str) -> tuple[str, float]:
    """Return the legends as SVG of this width in pixels, and their height: 0 if there are none.

    A legend begins on a new line unless all of it fits beside one of a single line. A name that is longer than a line is broken.
    """
    line, parts, x, y = _LINE_HEIGHT * size, [], 0.0, 0.0
    begun = 0.0  # the height at which the legend before begins
    for legend in legends:
        sizes = [_entry_width(entry, size) for entry in legend]
        if x and (y > begun or x + sum(sizes) + (len(sizes) - 1) * _BETWEEN * size > width):
            x, y = 0.0, y + line
        begun = y
        for entry, entry_width in zip(legend, sizes, strict=True):
            if x and x + entry_width > width:
                x, y = 0.0, y + line
            start = entry.symbol_width(size) + (_GAP * size if entry.shape else 0)
            names = wrapped(entry.name, width - start, size)
            parts.append(entry.symbol(x, y + line / 2, size))
            for number, name in enumerate(names):
                parts.append(_text(name, x + start, y + number * line + line / 2 + 0.34 * size, size))
            y += (len(names) - 1) * line
            x = x + entry_width + _BETWEEN * size
    return (f'<g font-family="{escape(font)}" fill="{INK}">{"".join(parts)}</g>', y + line) if parts else ("", 0.0)


def _entry_width(entry: Entry, size: float) -> float:
    return entry.symbol_width(size) + (_GAP * size if entry.shape else 0) + text_width(entry.name, size)


def _text(name: str, x: float, y: float, size: float) -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:g}px">{escape(name)}</text>'
