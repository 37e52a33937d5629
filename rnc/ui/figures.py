"""The charts of a page, and their export for a paper.

Tested by tests/pages/test_failed_export.py.
"""

from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc import event_log
from rnc.ui import opened_store
from rnc.ui.charts.chart_with_cached_specification import Chart
from rnc.ui.charts.exported_table import About, file_name, table_file, with_conditions
from rnc.ui.charts.page_specification import page_specification
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.render_process import RenderError
from rnc.ui.errors import show_error
from rnc.ui.markdown import Markdown, escape_markdown

_MIME = {
    FileKind.SVG: "image/svg+xml",
    FileKind.PDF: "application/pdf",
    FileKind.PNG: "image/png",
    FileKind.CSV: "text/csv",
    FileKind.PARQUET: "application/vnd.apache.parquet",
}

MOST_DRAWN_ROWS = 200_000
"""Largest number of rows of a chart, because the browser receives all of them."""
_OTHER = "Other"
_WIDTHS = {"One column (3.25 in)": 3.25, "Two columns (6.75 in)": 6.75, _OTHER: 6.5}
"""The offered widths of pictures in inches: those of a journal with two columns (ICML), and one to type, first TMLR's."""


class _Drawn(NamedTuple):
    """A figure of the page, its table, and what all rows of the table have in common."""

    chart: Chart
    rows: pd.DataFrame
    about: About


class PageFigures:
    """The figures of a page: its title, the drawn charts, and a menu beside the title that exports them."""

    def __init__(self, title: Markdown, about: About | None = None) -> None:
        """Draw the page's title, and reserve the place beside it. `about` is what all figures have in common: their split."""
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            st.title(title, width="content")
            self._place = st.container(width="content")
        self._about = dict(about or {})
        self._drawn: dict[str, _Drawn] = {}
        self._failed: list[str] = st.session_state.setdefault("export_failed", [])

    def describe(self, **about: Any) -> None:
        """Note what the figures of the page have in common, besides what is known of each."""
        self._about |= about

    def draw(
        self,
        where: DeltaGenerator,
        chart: Chart,
        alt: str,
        rows: pd.DataFrame | None = None,
        *,
        about: About | None = None,
        **options: Any,
    ) -> None:
        """Draw a chart with its alternative text, which is also its name in the list of exports.

        `rows` is the chart's table, needed if it is not the chart's largest data set. `about` names the run, epoch, condition and
        split of all its rows, where there is one; they are columns of the exported table and parts of the file's name.
        """
        if (count := chart.row_count) > MOST_DRAWN_ROWS:
            where.warning(
                f"This figure is not drawn, because it has {count:,d} points and a page draws at most {MOST_DRAWN_ROWS:,d}. "
                "Select fewer runs, conditions or layers, or export its table.",
                icon=":material/bar_chart_off:",
            )
        else:
            draw_chart(where, chart, alt, **options)
        self._drawn[alt] = _Drawn(chart, chart.largest_rows if rows is None else rows, {**self._about, **(about or {})})

    def draw_export_menu(self) -> None:
        """Offer the drawn charts for download; a file is made when it is requested."""
        if not self._drawn:
            return
        with self._place.popover("Export", icon=":material/download:"):
            while self._failed:  # Streamlit reports that a download failed, but not the reason
                show_error(self._failed.pop())
            name = st.selectbox("Figure", list(self._drawn), key="export_figure")
            width, points = _choose_size()
            with st.container(horizontal=True):
                for kind in FileKind:
                    st.download_button(
                        escape_markdown(kind.upper()),
                        partial(self._file, name, kind, width, points),
                        file_name=file_name(name, self._drawn[name].about, kind),
                        mime=_MIME[kind],
                        on_click="ignore",
                        key=f"export_{kind}",
                    )
            sql = self._drawn[name].rows.attrs.get("sql")
            if sql:
                st.caption(
                    "The rows of this figure come from this query of the store (published runs are in Parquet files beside it):"
                )
                st.code(sql, language="sql", wrap_lines=True)

    def _file(self, name: str, kind: FileKind, width: float, points: float) -> bytes:
        """Return the file of a figure in its current state, because a film may have moved on since the page was drawn."""
        chart, rows, about = self._drawn[name]
        try:
            if kind.is_table:
                return table_file(with_conditions(rows, about, opened_store.reader().runs.conditions), kind)
            return picture_file(chart, kind, width, points)
        except RenderError as error:
            event_log.event("export failed", figure=name, kind=kind, why=str(error))
            self._failed.append(str(error))
            raise


def _choose_size() -> tuple[float, float]:
    """Let the user choose the width of pictures in inches, and the size of their text in points."""
    choice = st.segmented_control("Width", list(_WIDTHS), default=next(iter(_WIDTHS)), key="export_size", required=True)
    width = _WIDTHS[choice or _OTHER]
    if choice == _OTHER:
        width = st.number_input("Width (inches)", 1.0, 20.0, width, 0.25, key="export_width")
    return width, st.number_input("Font size (points)", 4.0, 24.0, 8.0, 0.5, key="export_points")


def draw_chart(where: DeltaGenerator, chart: Chart, alt: str, **options: Any) -> None:
    """Draw a chart with its alternative text; `options` are those of `st.vega_lite_chart`.

    The chart's table comes first, because Streamlit's "Show data" shows the first data set.
    """
    drawn = chart.screen or chart
    table, streams = chart.largest_data_set_name, drawn.streams
    first = {table: streams[table]} if table in streams else {}
    where.vega_lite_chart(
        page_specification(drawn.specification_text) | {"datasets": first | streams}, alt=alt, **options
    )
