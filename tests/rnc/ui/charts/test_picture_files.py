"""Exported files are opened: the SVG parses, the PDF has one page, the PNG its dots, the tables the rows that are shown."""

import io
import re
import struct
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest

from rnc.ui.charts.chart_with_cached_specification import Chart, named
from rnc.ui.charts.curves import Curves
from rnc.ui.charts.exported_table import table_file
from rnc.ui.charts.geometry import cosine_heatmap
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.charts.projection import PlaneExtras, feature_plane
from rnc.vocabulary import Metric
from tests.rnc.ui.charts import coloured, spec_of

EPOCHS = [0, 1, 5, 20]
NAMES = ["a", "b", "c"]
ROWS = pd.DataFrame(
    [
        {"run": run, "shown": shown, "condition": shown, "epoch": epoch, "value": 1 / (epoch + 1 + len(shown))}
        for run in ("ST 1 < 2", "AT")
        for shown in ("clean", "perturbed")
        for epoch in EPOCHS
    ]
)
PANEL = Curves(coloured("ST 1 < 2", "AT"), ["clean", "perturbed"], 20).panel(ROWS, Metric.NC1)


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]


@pytest.mark.parametrize("width", [3.25, 6.5])
def test_an_svg_is_as_wide_as_asked_and_names_its_lines(width: float) -> None:
    svg = picture_file(PANEL, FileKind.SVG, width)
    assert float(ElementTree.fromstring(svg).attrib["width"].removesuffix("px")) == pytest.approx(width * 96, abs=2)
    assert {"ST 1 < 2", "AT", "clean", "perturbed", "epoch"} <= set(texts(svg))


def test_text_has_the_chosen_size() -> None:
    sizes = [re.findall(rb'font-size="([\d.]+)px"', picture_file(PANEL, FileKind.SVG, 6.5, p)) for p in (6, 12)]
    small, large = (max(set(found), key=found.count) for found in sizes)
    assert (float(small), float(large)) == (8, 16)


def test_the_legends_of_the_page_are_left_as_they_are() -> None:
    before = spec_of(PANEL)
    picture_file(PANEL, FileKind.SVG)
    assert spec_of(PANEL) == before


def test_a_pdf_has_one_page_of_the_width() -> None:
    pdf = picture_file(PANEL, FileKind.PDF, 5.0)
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    box = re.search(rb"/MediaBox\s*\[([^\]]*)\]", pdf)
    assert box is not None and float(box[1].split()[2]) == pytest.approx(5 * 72, abs=2)


def test_a_png_has_300_dots_an_inch() -> None:
    png = picture_file(PANEL, FileKind.PNG, 4.0)
    assert png.startswith(b"\x89PNG")
    (width,) = struct.unpack(">I", png[16:20])
    assert width == pytest.approx(4 * 300, abs=6)


def test_tables_have_the_rows_shown() -> None:
    expected = PANEL.largest_rows
    assert len(expected) == len(ROWS)
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(table_file(expected, FileKind.CSV))), expected)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(table_file(expected, FileKind.PARQUET))), expected)


def test_of_several_layers_the_largest_counts() -> None:
    chart = cosine_heatmap(np.eye(3), ["a", "b", "c"], -0.5, "cosines")
    assert len(chart.largest_rows) == 9
    assert {"a", "b", "c", "cosines"} <= set(texts(picture_file(chart, FileKind.SVG)))


def test_a_square_stays_one() -> None:
    """A simplex plane is as high as it is wide, whatever the width."""
    frame = pd.DataFrame({"shown": "clean", "sample": range(3), "label": NAMES, "predicted": NAMES, "x": 0.0, "y": 0.0})
    triangle = pd.DataFrame({"label": NAMES, "x": [-1.0, 1.0, 0.0], "y": [-0.6, -0.6, 1.1]})
    chart = feature_plane(frame, NAMES, "perturbed", arrows=True, extras=PlaneExtras(triangle=triangle))
    svg = picture_file(chart, FileKind.SVG, 5.0)
    assert float(ElementTree.fromstring(svg).attrib["width"]) == pytest.approx(480, abs=2)
    plot = re.search(rb'<path class="background"[^>]* d="M[^h]*h([\d.]+)v([\d.]+)', svg)
    assert plot is not None and [float(side) for side in plot.groups()] == pytest.approx([480, 480], abs=12)


def test_a_picture_has_its_rows_whatever_the_process_does_with_other_charts() -> None:
    """Altair's data transformer is global, and Streamlit switches it while it draws in another thread."""
    before = picture_file(PANEL, FileKind.SVG)
    with alt.data_transformers.enable("csv"):
        assert picture_file(PANEL, FileKind.SVG) == before


def test_many_points_are_no_error() -> None:
    """Altair alone refuses more than 5,000 rows."""
    frame = pd.DataFrame({"x": range(6_000), "y": range(6_000)})
    points = named("points").mark_point().encode(x="x:Q", y="y:Q")
    chart = Chart(points.to_json(), {"points": frame})
    assert picture_file(chart, FileKind.PNG, 2.0).startswith(b"\x89PNG")
