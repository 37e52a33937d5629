"""Figures taken along by a real browser are opened: their width, page, marks and text, and the rows that the store has."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import duckdb
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.browser.conftest import ScriptRuns, settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Figure(NamedTuple):
    """A figure of a page: how it is offered, and what of the answer to its SQL it shows."""

    page: str
    name: str
    shows: str
    told: str
    """A word that is written into the picture."""


CURVE = Figure("collapse", "NC3 · self-duality over epochs", "metric == 'nc3'", "epoch")
MAP = Figure("projections", "projected features", "", "true class")


def exporting(page: Page, address: str, figure: Figure) -> Callable[..., bytes]:
    """A way to take a figure along, once the page's export offers it: by kind, width in inches and font size in points."""
    runs = ScriptRuns(page)
    visit(page, f"{address}/{figure.page}")
    settle(page)
    page.get_by_role("button", name="Export").click()
    box = page.get_by_role("combobox", name="Figure")
    if box.input_value() != figure.name:
        box.click()
        runs.one_more(page.get_by_role("option", name=figure.name, exact=True).click)
    runs.one_more(page.get_by_test_id("stPopoverBody").get_by_text("Other", exact=True).click)

    def taken(kind: str, **choice: float) -> bytes:
        for label, value in choice.items():
            field = page.get_by_role("spinbutton", name=label)
            if float(field.input_value()) != value:
                field.fill(str(value))
                runs.one_more(lambda field=field: field.press("Enter"))
        for _attempt in range(5):
            with page.expect_download() as download:
                page.get_by_role("button", name=kind, exact=True).click()
            if download.value.failure() is None:
                return download.value.path().read_bytes()
            # (Streamlit throws a made file away at the second look for news: too soon for a browser on a very busy machine)
        pytest.fail(f"no {kind} can be taken along: {download.value.failure()}")

    return taken


def marks(svg: ElementTree.Element) -> list[tuple[str, int]]:
    """The kind and number of marks of each group of a drawing, those of legends and axes left out."""
    groups = [(group.get("class", "").split(), len(group)) for group in svg.iter("{http://www.w3.org/2000/svg}g")]
    return [(names[0], count) for names, count in groups if "role-mark" in names]


@pytest.mark.parametrize("figure", [CURVE, MAP], ids=["curve", "map"])
def test_a_figure_taken_along_is_what_the_page_shows(
    figure: Figure, demo_store: Path, demo_address: str, page: Page
) -> None:
    """Its tables have the page's rows, and its pictures, twice, the width and font that were chosen."""
    taken = exporting(page, demo_address, figure)
    assert_rows_are_of_the_page(taken, figure, page, demo_store)
    for inches, points in ((3.25, 6.0), (5.0, 12.0)):
        assert_pictures_are(taken, figure, inches, points)


def assert_pictures_are(taken: Callable[..., bytes], figure: Figure, inches: float, points: float) -> None:
    """The SVG has a mark for each row that the page shows, the PDF one page with its words, the PNG 300 dots an inch."""
    svg = ElementTree.fromstring(taken("SVG", **{"Width (inches)": inches, "Font size (points)": points}))
    assert float(svg.attrib["width"].removesuffix("px")) == pytest.approx(96 * inches, abs=2)
    assert ("mark-symbol", len(pd.read_parquet(io.BytesIO(taken("PARQUET"))))) in marks(svg)
    sizes = Counter(text.get("font-size") for text in svg.iter("{http://www.w3.org/2000/svg}text"))
    assert sizes.most_common(1)[0][0] == f"{points / 0.75:g}px"

    (sheet,) = PdfReader(io.BytesIO(taken("PDF"))).pages
    assert float(sheet.mediabox.width) == pytest.approx(72 * inches, abs=2)
    assert figure.told in sheet.extract_text()

    png = Image.open(io.BytesIO(taken("PNG")))
    assert png.format == "PNG" and png.width == pytest.approx(300 * inches, abs=6)
    assert len(png.convert("RGB").getcolors(png.width * png.height)) > 10, "a picture of something"


def assert_rows_are_of_the_page(taken: Callable[..., bytes], figure: Figure, page: Page, demo_store: Path) -> None:
    """CSV and Parquet agree with one another, and with the SQL below them, asked of the store by hand."""
    told = page.get_by_test_id("stPopoverBody").get_by_test_id("stCode").locator("code").inner_text()
    with duckdb.connect(demo_store, read_only=True) as store:
        stored = store.execute(told).df()
    rows = pd.read_parquet(io.BytesIO(taken("PARQUET")))
    written = pd.read_csv(io.BytesIO(taken("CSV")))
    pd.testing.assert_frame_equal(written.astype(str), pd.read_csv(io.StringIO(rows.to_csv(index=False))).astype(str))
    shown = stored.query(figure.shows) if figure.shows else stored
    shared = [name for name in stored if name in rows]
    assert {"run_id", "epoch", "value"} <= set(shared) or {"sample", "label", "predicted", "x", "y"} <= set(shared)
    assert len(rows) and rows[shared].to_numpy().astype(str).tolist() == shown[shared].to_numpy().astype(str).tolist()


def test_the_toolbar_of_a_chart_has_its_table_and_no_picture_of_its_own(demo_address: str, page: Page) -> None:
    """The picture is the page's export."""
    visit(page, f"{demo_address}/collapse")
    settle(page)
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.hover()
    frame = page.get_by_test_id("stFullScreenFrame").first
    expect(frame.get_by_role("button", name="Show data")).to_be_visible()
    assert frame.get_by_role("button", name="Download as PNG", include_hidden=True).count() == 1
    expect(frame.get_by_role("button", name="Download as PNG", include_hidden=True)).to_be_hidden()
