"""Use of the mouse on a chart of lines over epochs: all values of an epoch, single runs, and a part of the axes.

The browser does it without the server. Exported pictures and tables have nothing of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from rnc.conditions import conditions_in_words
from rnc.ui.charts.chart_with_cached_specification import MOST_KEPT, Chart
from rnc.ui.charts.downsampling import DRAWN_POINTS
from rnc.ui.charts.palette import GREY

HOVERED, DOTS = "hovered", "dots"
"""Data sets: a row for each epoch with its values, and the points that are shown at the epoch under the mouse."""
MOST_LISTED = 20
"""Largest number of lines in a tooltip."""
MOUSE_NOTE = (
    "In a panel, the mouse shows all values of the nearest epoch, and a click on a point its run alone; a click on the "
    "legend hides a run or a condition in all panels. With Shift, a click or a drag takes the epoch cursor to where the mouse "
    "is released. Drag to move the axes, turn the wheel with Ctrl to zoom, and double-click to undo both."
)
CHOSEN_EPOCH = "chosen_epoch"
"""The selection with the epoch at which the mouse was last released with Shift, and the time at which the chart was drawn."""
CHOSEN_AT_POINT = "chosen_at_point"
"""The same of a release on a point of a line, which the selection of the nearest epoch does not notice."""
_DRAWN_AT = {"calculate": "now()", "as": "drawn_at"}
"""The field that distinguishes two choices of an epoch, because Streamlit sends a selection only if it differs from the last one.
A cursor that the slider has moved draws the chart anew, and the same epoch can be chosen again."""
_CHOICE = {"type": "point", "fields": ["epoch", "drawn_at"], "toggle": False, "clear": False}
_FAINT = 0.12
"""Opacity of the runs that were not clicked, relative to their usual one."""
_EPOCH, _ISOLATED, _MOVED, _NAMES = "hovered_epoch", "isolated_run", "moved", "line_names"
_SAME_DRAWING = "event.relatedTarget.ownerSVGElement === (event.target.ownerSVGElement || event.target)"
_LEFT = f"event.type === 'pointerout' && !(event.relatedTarget && {_SAME_DRAWING})"
"""Vega expression: the mouse has left the drawing, also into another one, and not only one of its marks."""
_IS_ON_RUN = "event.item && event.item.datum && event.item.datum.run"
_SHIFT_RELEASED = "event.shiftKey && event.button === 0"
_MOUSE_DRAG = "[pointerdown[event.pointerType === 'mouse' && !event.shiftKey], window:pointerup] > window:pointermove!"
_WHEEL = "wheel![event.ctrlKey || event.metaKey]"
"""Event filters that leave swipes and the wheel alone to the page, which scrolls by them."""
_FIRST, _LAST = "domain('x')[0]", "domain('x')[1]"
_IS_SHORT = f"{_FIRST} > -0.5 && {_LAST} < 10 * ({_FIRST} + 1)"
_STEP = f"max(1, pow(10, floor(log(({_LAST} - {_FIRST}) / 2) / LN10)))"
_ALL_TICKS = f"sequence(ceil({_FIRST} / {_STEP}) * {_STEP}, {_LAST}, {_STEP})"
"""Vega expressions: whether less than a decade of epochs is seen, in which the usual labels are too few, and its labels."""
_PADDING = 5
"""Pixels between the outermost points and the edges, because lines that can be moved are cut off there."""
_PADDING_X = 11
"""The same to the left and right, where half of the last epoch's number has room as well. Without it, the number is cut where the
chart was laid out before the page's font was there, with narrower digits."""
_NUMBER = "\N{FIGURE SPACE}>8.4g"


@dataclass(frozen=True)
class Lines:
    """The lines of a chart."""

    data_set: str
    """The data set that draws them."""
    runs: Sequence[str]
    conditions: Sequence[str] = ()
    """Empty if the lines differ only in their run."""

    @property
    def tooltip_names(self) -> tuple[str, ...]:
        """The lines' names in a tooltip, with conditions in words; those of a run's conditions one after another."""
        if not self.conditions:
            return tuple(self.runs)
        words = conditions_in_words(self.conditions)
        return tuple(f"{run} · {words[shown]}" for run in self.runs for shown in self.conditions)


def with_interaction(picture: Chart, measured: pd.DataFrame, lines: Lines, *, log_epochs: bool, cursor: int) -> Chart:
    """Return the chart with what the mouse does on a page: `screen`.

    `measured` has run, epoch and value, and shown if the lines have conditions. It may have more rows than the chart draws. The
    mouse shows all values of the nearest epoch, of at most DRAWN_POINTS epochs at equal distances on the axis. A click on a
    point isolates its run, or adds it to the isolated ones, or takes it away; a drag moves the axes; the wheel with Ctrl or
    Command zooms; a double click shows all again. CHOSEN_EPOCH has the epoch at which the mouse is released with Shift.
    The rows have the epoch `cursor`, so that the chart is drawn anew when the cursor moves.
    """
    shown = _at_some_epochs(measured, log_epochs)
    listed = min(len(lines.tooltip_names), MOST_LISTED)
    rows = picture.rows | {HOVERED: hovered_rows(shown, lines, listed).assign(cursor=cursor)}
    drawn = picture.rows[lines.data_set]
    dots = lines.data_set
    if len(drawn) < len(measured):
        dots, rows[DOTS] = DOTS, shown[[name for name in ("run", "shown", "epoch", "value") if name in shown]]
    text = _screen_specification(picture.specification_text, lines.data_set, dots, lines.tooltip_names, listed)
    return replace(picture, screen=Chart(text, rows))


def _at_some_epochs(measured: pd.DataFrame, log_epochs: bool) -> pd.DataFrame:
    """Return the rows of at most DRAWN_POINTS epochs."""
    epochs = np.unique(measured["epoch"].to_numpy())
    if len(epochs) <= DRAWN_POINTS:
        return measured
    places = np.log1p(epochs) if log_epochs else epochs
    wanted = np.linspace(places[0], places[-1], DRAWN_POINTS)
    return measured[measured["epoch"].isin(epochs[np.searchsorted(places, wanted).clip(max=len(epochs) - 1)])]


def hovered_rows(measured: pd.DataFrame, lines: Lines, listed: int) -> pd.DataFrame:
    """Return epoch, highest (value), more (number of lines that are not listed), and for each place in the list of an epoch's
    lines, by descending value, the number of the line (line_1, ... in `Lines.tooltip_names`) and its value (value_1, ...).

    Places without a line are NaN.
    """
    values = measured["value"].to_numpy(dtype=float)
    number = _numbers(measured, lines)
    known = np.isfinite(values) & (number >= 0)
    values, number = values[known], number[known]
    epochs, row = np.unique(measured["epoch"].to_numpy()[known], return_inverse=True)
    order = np.lexsort((number, -values, row))
    values, number, row = values[order], number[order], row[order]
    first = np.searchsorted(row, np.arange(len(epochs)))
    place = np.arange(len(row)) - first[row]
    table = np.full((2, len(epochs), listed), np.nan)
    fits = place < listed
    table[0, row[fits], place[fits]] = number[fits]
    table[1, row[fits], place[fits]] = values[fits]
    more = np.bincount(row, minlength=len(epochs)) - listed
    columns = {"epoch": epochs, "highest": values[first], "more": more.clip(min=0)}
    for index in range(listed):
        columns |= {f"line_{index + 1}": table[0, :, index], f"value_{index + 1}": table[1, :, index]}
    return pd.DataFrame(columns)


def _numbers(measured: pd.DataFrame, lines: Lines) -> np.ndarray:
    """Return the position of each row's line in `Lines.tooltip_names`; -1 if it has none."""
    number = pd.Index(lines.runs).get_indexer(pd.Index(measured["run"]))
    if not lines.conditions:
        return number
    shown = pd.Index(lines.conditions).get_indexer(pd.Index(measured["shown"]))
    return np.where((number >= 0) & (shown >= 0), number * len(lines.conditions) + shown, -1)


@lru_cache(MOST_KEPT)
def _screen_specification(picture: str, data_set: str, dots: str, names: tuple[str, ...], listed: int) -> str:
    """Return the specification of a picture with the layers, parameters and opacities of the screen."""
    specification: dict[str, Any] = json.loads(picture)
    layers: list[dict[str, Any]] = specification["layer"]
    line = next(layer for layer in layers if layer["data"]["name"] == data_set)
    x, y = (line["encoding"][channel] for channel in ("x", "y"))
    ink = {channel: line["encoding"][channel] for channel in ("color", "strokeDash") if channel in line["encoding"]}
    for axis, padding in ((x, _PADDING_X), (y, _PADDING)):
        axis["scale"] |= {"padding": padding, "nice": False}
    if "values" in x["axis"]:
        ticks = f"{_IS_SHORT} ? {_ALL_TICKS} : {json.dumps(x['axis']['values'])}"
        x["axis"] |= {"values": {"expr": ticks}, "format": ",d"}
    for layer in layers:
        _make_faint_unless_isolated(layer)
    tooltip_text = {"calculate": _tooltip(listed), "as": "tooltip_text"}
    specification["layer"] = [_epochs(x, y, tooltip_text), _rule(), *layers, _dots(dots, ink, tooltip_text, listed)]
    specification["params"] = [{"name": _NAMES, "value": list(names)}]
    return json.dumps(specification)


def _make_faint_unless_isolated(layer: dict[str, Any]) -> None:
    """Let the mouse go through lines and bands, and make them faint while another run is isolated."""
    mark, encoding = layer["mark"], layer["encoding"]
    if mark["type"] not in ("line", "area"):
        return
    encoding.pop("tooltip", None)
    if isinstance(mark.get("point"), dict) and mark["point"].get("opacity") == 0:
        del mark["point"]  # needed only for its tooltip
    usual = mark.get("opacity", 1)
    encoding["opacity"] = {"condition": {"param": _ISOLATED, "value": usual}, "value": usual * _FAINT}


def _epochs(x: dict[str, Any], y: dict[str, Any], tooltip_text: dict[str, Any]) -> dict[str, Any]:
    """Return the invisible layer that finds the nearest epoch; it is the lowest one, and has a point for each epoch."""
    nearest = {"type": "point", "fields": ["epoch"], "nearest": True, "on": "pointermove"}
    chosen = _CHOICE | {"nearest": True, "encodings": ["x"], "on": f"pointerup[{_SHIFT_RELEASED}]"}
    moved = {"type": "interval", "encodings": ["x", "y"], "translate": _MOUSE_DRAG, "zoom": _WHEEL}
    return {
        "name": "epochs",
        "data": {"name": HOVERED},
        "transform": [tooltip_text, _DRAWN_AT],
        "mark": {
            "type": "point",
            "opacity": 0,
            "aria": False,
            "tooltip": {"expr": "(datum.datum || datum).tooltip_text"},
        },
        "encoding": {"x": x, "y": y | {"field": "highest"}},
        "params": [
            {"name": _EPOCH, "select": nearest | {"encodings": ["x"], "clear": f"view:pointerout[{_LEFT}]"}},
            {"name": CHOSEN_EPOCH, "select": chosen},
            {"name": _MOVED, "select": moved, "bind": "scales"},
        ],
    }


_AT_EPOCH = {"filter": {"param": _EPOCH, "empty": False}}
_ACROSS = {"value": {"expr": "scale('x', datum.epoch)"}}
"""A position that does not contribute to the range of the axis, which would otherwise be computed anew as the mouse moves."""


def _rule() -> dict[str, Any]:
    """Return the layer of the vertical rule at the epoch under the mouse."""
    mark = {"type": "rule", "color": GREY, "opacity": 0.7, "aria": False}
    data = {"name": HOVERED}
    return {"name": "rule", "data": data, "transform": [_AT_EPOCH], "mark": mark, "encoding": {"x": _ACROSS}}


def _dots(data_set: str, ink: dict[str, Any], tooltip_text: dict[str, Any], listed: int) -> dict[str, Any]:
    """Return the layer of the points at the epoch under the mouse, on which a click isolates a run.

    They have the colours and dashes of their lines (`ink`): dashes are not seen on a point, but the legend hides it by them.
    """
    fields = [f"{kind}_{place}" for place in range(1, listed + 1) for kind in ("line", "value")]
    lookup = {"lookup": "epoch", "from": {"data": {"name": HOVERED}, "key": "epoch", "fields": ["more", *fields]}}
    isolated = {"type": "point", "fields": ["run"], "toggle": "true", "clear": "dblclick"}
    isolated["on"] = f"click[!event.shiftKey && {_IS_ON_RUN}]"
    chosen = _CHOICE | {"on": f"pointerup[{_SHIFT_RELEASED} && {_IS_ON_RUN}]"}
    return {
        "name": DOTS,
        "data": {"name": data_set},
        "transform": [_AT_EPOCH, lookup, tooltip_text, _DRAWN_AT],
        "mark": {"type": "point", "filled": True, "size": 70, "aria": False, "cursor": "pointer"}
        | {"tooltip": {"expr": "datum.tooltip_text"}},
        "encoding": {
            "x": _ACROSS,
            "y": {"value": {"expr": "scale('y', datum.value)"}},
            "opacity": {"condition": {"param": _ISOLATED, "value": 1}, "value": _FAINT},
        }
        | ink,
        "params": [{"name": _ISOLATED, "select": isolated}, {"name": CHOSEN_AT_POINT, "select": chosen}],
    }


def _tooltip(listed: int) -> str:
    """Return the Vega expression of a tooltip: a title, and a row for each place in the list.

    The rows' keys are the places: names that people choose are only ever values, because a tooltip treats some keys specially
    (`title`, `image`). It omits undefined values, such as `datum.none`.
    """
    rows = [
        f"'{place}': isValid(datum.value_{place})"
        f" ? format(datum.value_{place}, '{_NUMBER}') + '\N{EN SPACE}' + {_NAMES}[datum.line_{place}] : datum.none"
        for place in range(1, listed + 1)
    ]
    return (
        f"{{title: 'epoch ' + datum.epoch, {', '.join(rows)}, and: datum.more > 0 ? datum.more + ' more' : datum.none}}"
    )
