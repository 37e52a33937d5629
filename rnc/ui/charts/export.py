"""Export of a chart for a paper, as SVG, PDF or PNG of a chosen width and font size, and of its rows as a table."""

import io
import re
from enum import StrEnum
from typing import Any

import altair as alt
import pandas as pd

from rnc.ui.charts.equal_axes import ISOMETRIC
from rnc.ui.charts.kept_specification import Chart
from rnc.ui.charts.render_process import Renderer, RenderError

MOST_ROWS = 100_000
"""Largest number of rows in an exported picture, whose specification takes half a kB of the server's memory per row."""
_RENDERER = Renderer()
_POINTS_PER_INCH, _PIXELS_PER_INCH, _DOTS_PER_INCH = 72, 96, 300
_POINTS_PER_PIXEL = _POINTS_PER_INCH / _PIXELS_PER_INCH
_FONTS = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_LEGENDS: dict[str, dict[str, Any]] = {
    "run": {"title": None, "symbolType": "square"},
    "shown": {
        "title": None,
        "symbolType": "stroke",
        "symbolSize": 400,
        "encoding": {"symbols": {"stroke": {"value": "#444444"}, "strokeWidth": {"value": 2}}},
    },
}
"""The fields whose legend a page draws once for all its panels, and their legends in an exported file."""


class FileKind(StrEnum):
    """The export formats of a chart: three pictures and two tables."""

    SVG = "svg"
    PDF = "pdf"
    PNG = "png"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def is_table(self) -> bool:
        """True if the format holds rows instead of a picture."""
        return self in (FileKind.CSV, FileKind.PARQUET)


def table_file(rows: pd.DataFrame, kind: FileKind) -> bytes:
    """Return rows as CSV or Parquet."""
    if kind is FileKind.CSV:
        return rows.to_csv(index=False).encode()
    table = io.BytesIO()
    rows.to_parquet(table, index=False)
    return table.getvalue()


def picture_file(chart: Chart, kind: FileKind, width_inches: float = 6.5, font_points: float = 9) -> bytes:
    """Return the chart as SVG, PDF or PNG with the given width, including legends and axes; PNG has 300 dots per inch.

    The defaults are TMLR's text width and a font size that suits its text. Raises RenderError if it cannot be drawn.
    """
    if (count := chart.row_count) > MOST_ROWS:
        raise RenderError(
            f"This figure has {count:,} rows, but a picture can have at most {MOST_ROWS:,}. Export its table, or show less."
        )
    spec = _for_paper(chart, width_inches, font_points)
    match kind:
        case FileKind.SVG:
            return _RENDERER.render(spec, "svg")
        case FileKind.PDF:
            return _RENDERER.render({"svg": _shrunk(_RENDERER.render(spec, "svg").decode())}, "pdf")
        case _:
            return _RENDERER.render(spec, "png", scale=_POINTS_PER_PIXEL, ppi=_DOTS_PER_INCH)


def _shrunk(svg: str) -> str:
    """Return the drawing with its outer size in points, for a renderer that takes a pixel for a point."""
    size = r'\b(width|height)="([\d.]+)(?:px)?"'
    head, rest = svg.split(">", 1)
    return re.sub(size, lambda side: f'{side[1]}="{float(side[2]) * _POINTS_PER_PIXEL}"', head) + ">" + rest


def _data_sets(chart: Chart) -> dict[str, list[Any]]:
    """Return the rows of each data set for the specification."""
    return {name: alt.utils.sanitize_pandas_dataframe(rows).to_dict("records") for name, rows in chart.rows.items()}


def _for_paper(chart: Chart, width_inches: float, font_points: float) -> dict[str, Any]:
    """Return the specification with this width, font sizes near the given one, and the legends that the page draws separately."""
    spec = chart.specification | {"datasets": _data_sets(chart)}
    size = font_points / _POINTS_PER_PIXEL
    width = width_inches * _PIXELS_PER_INCH
    fixed = "width" in spec  # a chart with a fixed width keeps its shape
    if fixed:
        spec["height"] *= width / spec["width"]
    elif spec.get("usermeta") == ISOMETRIC:
        spec["height"] = width
    spec["width"] = width
    spec["autosize"] = {"type": "fit" if fixed else "fit-x", "contains": "padding"}
    spec["background"] = "white"
    spec["config"] = {
        "font": _FONTS,
        "axis": {"labelFontSize": size, "titleFontSize": size, "titleFontWeight": "normal"},
        "legend": {"labelFontSize": size, "titleFontSize": size, "labelLimit": 0, "orient": "bottom", "columns": 4},
        "view": {"stroke": None},
    }
    if isinstance(spec.get("title"), dict):
        spec["title"] |= {"fontSize": 1.1 * size, "subtitleFontSize": 0.9 * size, "subtitleColor": "#555555"}
    for layer in (spec, *spec.get("layer", [])):
        for channel in layer.get("encoding", {}).values():
            if isinstance(channel, dict) and channel.get("field") in _LEGENDS and channel.get("legend", "") is None:
                channel["legend"] = _LEGENDS[channel["field"]]
    return spec
