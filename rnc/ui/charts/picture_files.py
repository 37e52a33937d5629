"""Export of a chart for a paper, as SVG, PDF or PNG of a chosen width and font size."""

import re
from enum import StrEnum
from typing import Any

import altair as alt

from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.paper_figure import FONTS, PIXELS_PER_INCH, for_paper
from rnc.ui.charts.paper_legend import draw_legends
from rnc.ui.charts.render_process import Renderer, RenderError

MOST_ROWS = 100_000
"""Largest number of rows in an exported picture, whose specification takes half a kB of the server's memory per row."""
_RENDERER = Renderer()
_POINTS_PER_PIXEL, _DOTS_PER_INCH = 72 / PIXELS_PER_INCH, 300
_NORM, _TRANSPOSE = "\N{DOUBLE VERTICAL LINE}", "\N{MODIFIER LETTER CAPITAL T}"
_DIGITS = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_SIGN = re.compile(rf"(?<=[Σμvuw])_([WBGck])(?![A-Za-z_])|(?<=10)([{_DIGITS}]+)|{_TRANSPOSE}|{_NORM}")
"""An index as our formulas write it, the exponent of a power of ten, and the signs of a transpose and a norm. Raised digits and
these signs are in few fonts: a text with one would be drawn in another font."""
_ON_THE_LINE = str.maketrans(_DIGITS, "\N{MINUS SIGN}0123456789")
_DEPTH, _SMALL = 0.25, 0.7
"""Distance of an index below the line, relative to its size, and its size relative to the other letters."""
_ROOT = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)(?:px)?"[^>]*?\bheight="([\d.]+)(?:px)?"[^>]*>')
_HIDDEN = re.compile(r'<text\b[^>]* opacity="0"[^>]*>[^<]*</text>')
"""A label that Vega leaves out because it would cover another one."""
_INSET = 3
"""Pixels between the legends and the edges of the figure."""
_SOLID = ' stroke-dasharray="1,0"'
"""A solid line as Vega-Lite writes it if the dash is encoded; some viewers of PDF show the gaps of length 0."""


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


def picture_file(chart: Chart, kind: FileKind, width_inches: float = 6.5, font_points: float = 9) -> bytes:
    """Return the chart as SVG, PDF or PNG with the given width, including legends and axes; PNG has 300 dots per inch.

    The defaults are TMLR's text width and a font size that suits its text. Raises RenderError if it cannot be drawn.
    """
    if (count := chart.row_count) > MOST_ROWS:
        raise RenderError(
            f"This figure has {count:,} rows, but a picture can have at most {MOST_ROWS:,}. Export its table, or show less."
        )
    svg = _drawing(
        chart, width_inches * PIXELS_PER_INCH, font_points / _POINTS_PER_PIXEL, in_points=kind is FileKind.PDF
    )
    match kind:
        case FileKind.SVG:
            return svg.encode()
        case FileKind.PDF:
            return _RENDERER.render({"svg": svg}, "pdf")
        case _:
            return _RENDERER.render({"svg": svg}, "png", scale=_POINTS_PER_PIXEL, ppi=_DOTS_PER_INCH)


def _drawing(chart: Chart, width: float, size: float, *, in_points: bool) -> str:
    """Return the figure with its legends as SVG, in pixels of 96 per inch, or for a renderer that takes a pixel for a point."""
    figure = for_paper(chart, width, size)
    svg = _RENDERER.render(figure.specification | {"datasets": _data_sets(chart)}, "svg").decode()
    root = _ROOT.search(svg)
    assert root is not None
    drawn_width, drawn_height = float(root[1]), float(root[2])
    legend, legend_height = draw_legends(figure.legends, width - 2 * _INSET, size, FONTS)
    top = drawn_height + size / 4
    height = top + legend_height + _INSET if legend else drawn_height
    unit = _POINTS_PER_PIXEL if in_points else 1
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
        f'width="{width * unit:g}" height="{height * unit:g}" viewBox="0 0 {width:g} {height:g}">'
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>'
    )
    aside = max((width - drawn_width) / 2, 0)
    body = _with_formulas(_HIDDEN.sub("", svg[root.end() :]).replace(_SOLID, "").removesuffix("</svg>"))
    legends = f'<g class="legends" transform="translate({_INSET},{top:g})">{legend}</g>'
    return f'{head}<g transform="translate({aside:g},0)">{body}</g>{legends}</svg>'


def _with_formulas(svg: str) -> str:
    """Return the drawing with the indices of formulas below the line, and with signs that are in few fonts made of letters."""
    return re.sub(r">([^<>]+)</text>", lambda text: f">{_set_formula(text[1])}</text>", svg)


def _set_formula(text: str) -> str:
    parts, end, lowered = [], 0, 0
    for sign in _SIGN.finditer(text):
        parts.append(text[end : sign.start()])
        end = sign.end()
        if sign[0] == _NORM:
            parts.append('<tspan letter-spacing="-0.08em">|</tspan>|')
            continue
        raised = sign[2].translate(_ON_THE_LINE) if sign[2] else "T"
        letter, shift = (sign[1], _DEPTH) if sign[1] else (raised, -2 * _DEPTH)
        parts.append(
            f'<tspan dy="{shift:g}em" font-size="{_SMALL:.0%}">{letter}</tspan><tspan dy="{-shift * _SMALL:g}em">'
        )
        lowered += 1
    return "".join([*parts, text[end:], lowered * "</tspan>"])


def _data_sets(chart: Chart) -> dict[str, list[Any]]:
    """Return the rows of each data set for the specification."""
    return {name: alt.utils.sanitize_pandas_dataframe(rows).to_dict("records") for name, rows in chart.rows.items()}
