"""The charts of a page, and their export for a paper.

Tested by tests/pages/test_failed_export.py.
"""

import re
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from rnc import log
from rnc.ui.charts.export import FileKind, picture_file, table_file
from rnc.ui.charts.kept_specification import Chart
from rnc.ui.charts.render_process import RenderError
from rnc.ui.charts.theme import SCREEN_CONFIG
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


class PageFigures:
    """The figures of a page: its title, the drawn charts, and a menu beside the title that exports them."""

    def __init__(self, title: Markdown) -> None:
        """Draw the page's title, and reserve the place beside it."""
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            st.title(title, width="content")
            self._place = st.container(width="content")
        self._drawn: dict[str, tuple[Chart, pd.DataFrame]] = {}
        self._failed: list[str] = st.session_state.setdefault("export_failed", [])

    def draw(
        self, where: DeltaGenerator, chart: Chart, alt: str, rows: pd.DataFrame | None = None, **options: Any
    ) -> None:
        """Draw a chart with its alternative text, which is also its name in the list of exports.

        `rows` is the chart's table, needed if it is not the chart's largest data set.
        """
        if (count := chart.row_count) > MOST_DRAWN_ROWS:
            where.warning(
                f"This figure is not drawn, because it has {count:,d} points and a page draws at most {MOST_DRAWN_ROWS:,d}. "
                "Select fewer runs, conditions or layers, or export its table.",
                icon=":material/bar_chart_off:",
            )
        else:
            draw_chart(where, chart, alt, **options)
        self._drawn[alt] = chart, chart.largest_rows if rows is None else rows

    def draw_export_menu(self) -> None:
        """Offer the drawn charts for download; a file is made when it is requested."""
        if not self._drawn:
            return
        with self._place.popover("Export", icon=":material/download:"):
            while self._failed:  # Streamlit reports that a download failed, but not the reason
                show_error(self._failed.pop())
            name = st.selectbox("Figure", list(self._drawn), key="export_figure")
            left, right = st.columns(2)
            width = left.number_input("Width (inches)", 1.0, 20.0, 6.5, 0.25, key="export_width")
            points = right.number_input("Font size (points)", 4.0, 24.0, 9.0, 0.5, key="export_points")
            with st.container(horizontal=True):
                for kind in FileKind:
                    st.download_button(
                        escape_markdown(kind.upper()),
                        partial(self._file, name, kind, width, points),
                        file_name=f"{_slug(name)}.{kind}",
                        mime=_MIME[kind],
                        on_click="ignore",
                        key=f"export_{kind}",
                    )
            sql = self._drawn[name][1].attrs.get("sql")
            if sql:
                st.caption(
                    "The rows of this figure come from this query of the store (published runs are in Parquet files beside it):"
                )
                st.code(sql, language="sql", wrap_lines=True)

    def _file(self, name: str, kind: FileKind, width: float, points: float) -> bytes:
        """Return the file of a figure in its current state, because a film may have moved on since the page was drawn."""
        chart, rows = self._drawn[name]
        try:
            return table_file(rows, kind) if kind.is_table else picture_file(chart, kind, width, points)
        except RenderError as error:
            log.event("export failed", figure=name, kind=kind, why=str(error))
            self._failed.append(str(error))
            raise


def draw_chart(where: DeltaGenerator, chart: Chart, alt: str, **options: Any) -> None:
    """Draw a chart with its alternative text; `options` are those of `st.vega_lite_chart`."""
    drawn = chart.screen or chart
    where.vega_lite_chart(drawn.specification | {"datasets": drawn.rows, "config": SCREEN_CONFIG}, alt=alt, **options)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
