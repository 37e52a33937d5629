"""A chart as a file for a paper: SVG, PDF or PNG of a chosen width and font size, and the rows that it shows."""

import io
import re
from enum import StrEnum
from typing import Any

import altair as alt
import pandas as pd

from rnc.ui.charts.renderer import Renderer, RenderError

MOST_ROWS = 100_000
"""Rows of a chart that is drawn as a file: its specification is built in the server's memory, at half a kB a row."""
_RENDERER = Renderer()
_POINTS_PER_INCH, _PIXELS_PER_INCH, _DOTS_PER_INCH = 72, 96, 300
_POINTS_PER_PIXEL = _POINTS_PER_INCH / _PIXELS_PER_INCH
_FONTS = "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
_ON_THE_PAGE: dict[str, dict[str, Any]] = {
    "run": {"title": None, "symbolType": "square"},
    "shown": {
        "title": None,
        "symbolType": "stroke",
        "symbolSize": 400,
        "encoding": {"symbols": {"stroke": {"value": "#444444"}, "strokeWidth": {"value": 2}}},
    },
}
"""The fields whose legend a page draws once for all its panels, and how a file draws it."""

Figure = alt.Chart | alt.LayerChart


class FileKind(StrEnum):
    """What a chart can be taken along as: three pictures and two tables."""

    SVG = "svg"
    PDF = "pdf"
    PNG = "png"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def is_table(self) -> bool:
        """Whether it holds rows and no picture."""
        return self in (FileKind.CSV, FileKind.PARQUET)


def table_file(rows: pd.DataFrame, kind: FileKind) -> bytes:
    """Rows as CSV or Parquet."""
    if kind is FileKind.CSV:
        return rows.to_csv(index=False).encode()
    table = io.BytesIO()
    rows.to_parquet(table, index=False)
    return table.getvalue()


def picture_file(chart: Figure, kind: FileKind, width_inches: float = 6.5, font_points: float = 9) -> bytes:
    """The chart as SVG, PDF or PNG, as wide as asked for, legends and axes included; PNG has 300 dots an inch.

    The defaults are TMLR's text width and a size that is read beside its text. Raises RenderError where it cannot be drawn.
    """
    held = sum(
        len(part.data) for part in _parts(chart) if isinstance(part.data, pd.DataFrame)
    )  # (each writes them anew)
    if held > MOST_ROWS:
        raise RenderError(
            f"This figure shows {held:,} rows, and a file at most {MOST_ROWS:,}; take its table, or show less."
        )
    spec = _for_paper(chart, width_inches, font_points)
    match kind:
        case FileKind.SVG:
            return _RENDERER.render(spec, "svg")
        case FileKind.PDF:
            return _RENDERER.render({"svg": _shrunk(_RENDERER.render(spec, "svg").decode())}, "pdf")
        case _:
            return _RENDERER.render(spec, "png", scale=_POINTS_PER_PIXEL, ppi=_DOTS_PER_INCH)


def rows_held(chart: Figure) -> int:
    """Return how many rows a chart's layers hold together; rows that several layers show count once."""
    frames = {id(part.data): len(part.data) for part in _parts(chart) if isinstance(part.data, pd.DataFrame)}
    return sum(frames.values())


def _parts(chart: Figure) -> list[Any]:
    return [chart, *getattr(chart, "layer", [])]


def _shrunk(svg: str) -> str:
    """The drawing with its outer size in points, for what takes a pixel to be one."""
    size = r'\b(width|height)="([\d.]+)(?:px)?"'
    head, rest = svg.split(">", 1)
    return re.sub(size, lambda side: f'{side[1]}="{float(side[2]) * _POINTS_PER_PIXEL}"', head) + ">" + rest


def shown_rows(chart: Figure) -> pd.DataFrame:
    """The rows behind a chart; of several layers those of the one that shows the most."""
    frames = [part.data for part in _parts(chart) if isinstance(part.data, pd.DataFrame)]
    return max(frames, key=len)


def _with_its_rows(chart: Any) -> Any:
    """The chart with its rows written into it: Altair's way to do that is global to the process, and Streamlit switches it."""
    inlined = chart.copy(deep=False)
    if isinstance(chart.data, pd.DataFrame):
        seen = chart.data.drop(columns="image", errors="ignore")  # (it shows on hover, and nobody hovers over a file)
        rows: list[Any] = alt.utils.sanitize_pandas_dataframe(seen).to_dict("records")
        inlined.data = alt.InlineData(values=rows)
    if isinstance(chart, alt.LayerChart):
        inlined.layer = [_with_its_rows(layer) for layer in chart.layer]
    return inlined


def _for_paper(chart: Figure, width_inches: float, font_points: float) -> dict[str, Any]:
    """The spec at this width, every text at this size or near it, and with the legends that the page draws itself."""
    spec: dict[str, Any] = _with_its_rows(chart).to_dict()
    size = font_points / _POINTS_PER_PIXEL
    width = width_inches * _PIXELS_PER_INCH
    square = "width" in spec  # (a chart with a width of its own has one unit in both directions)
    if square:
        spec["height"] *= width / spec["width"]
    spec["width"] = width
    spec["autosize"] = {"type": "fit" if square else "fit-x", "contains": "padding"}
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
            if isinstance(channel, dict) and channel.get("field") in _ON_THE_PAGE and channel.get("legend", "") is None:
                channel["legend"] = _ON_THE_PAGE[channel["field"]]
    return spec
