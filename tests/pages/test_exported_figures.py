"""All figures of all pages, exported in two widths and read as PDF: legends are whole, and no text is cut or covered."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pypdf import PdfReader

from rnc.ui import opened_store
from rnc.ui.charts.paper_figure import PIXELS_PER_INCH, for_paper
from rnc.ui.charts.picture_files import FileKind, picture_file
from rnc.ui.figures import PageFigures
from rnc.ui.lab import server_job_queue
from tests.pages.app import ROOT, answered, charts, open_page
from tests.pages.test_attack_lab import SMALL
from tests.pdf_text import Box, text_boxes

GALLERY = ROOT / "data" / "gallery"
SIZES = ((3.25, 8.0), (6.75, 9.0))
"""Widths in inches and font sizes in points; the charts of claims differ only in their words, so the narrow one is enough."""
SLACK = 0.1
"""Points by which rounding may move a letter."""


@pytest.fixture
def figures_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The figures of a page of the gallery, whose networks have classes with long names."""
    monkeypatch.setenv("RNC_GALLERY", str(GALLERY))

    def figures(page: str) -> PageFigures:
        drawn: list[PageFigures] = []
        draw = PageFigures.draw_export_menu
        with monkeypatch.context() as patch:
            patch.setattr(PageFigures, "draw_export_menu", lambda self: draw(self) or drawn.append(self))
            open_page(page, tmp_path / "rnc.duckdb", monkeypatch)
        return drawn[-1]

    return figures


@pytest.fixture(scope="module", autouse=True)
def _one_lab() -> Iterator[None]:
    """The server's lab ends with this module."""
    yield
    server_job_queue.job_queue().close()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["findings", "collapse", "geometry", "projections", "layers"])
def test_every_figure_is_whole_in_both_widths(page: str, figures_of: Any) -> None:
    check_figures(figures_of(page), SIZES[:1] if page == "findings" else SIZES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activity", "asked"),
    [
        ("Attack", {"lab_layers": "true"}),
        ("Sweep", {"lab_points": 3, "lab_epochs": "ST · epoch 0", "lab_layers": "true"}),
    ],
)
def test_every_figure_of_the_lab_is_whole_in_both_widths(
    activity: str, asked: dict[str, Any], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attack's curves, maps and layers, and the curves over the strength of two networks; the masking check has none."""
    drawn: list[PageFigures] = []
    draw = PageFigures.draw_export_menu
    monkeypatch.setattr(PageFigures, "draw_export_menu", lambda self: draw(self) or drawn.append(self))
    job = answered(open_page("attack_lab", tiny_store, monkeypatch, lab_do=activity, **(SMALL | asked)), activity)
    check_figures(drawn[-1], SIZES)
    attacked = {(source.run_id, source.epoch) for source in job.request.sources}
    assert len(attacked) == (2 if activity == "Sweep" else 1)
    for name in drawn[-1]._drawn:
        table = exported_rows(drawn[-1], name)
        assert set(zip(table["run_id"], table["epoch"], strict=True)) == attacked, (
            f"the networks in the table of {name}"
        )


def test_the_table_of_a_claim_names_its_runs_numbers_and_bounds(figures_of: Any) -> None:
    figures = figures_of("findings")
    for name in figures._drawn:
        table = exported_rows(figures, name)
        claim, number = name.removesuffix(" over epochs").split(": ", 1)
        assert set(table["claim"]) == {claim} and set(table["number"]) == {number}
        assert table[["run_id", "run", "bound"]].notna().all(axis=None) and table["met"].dtype == bool
        conditions = (
            opened_store.reader().runs.conditions(list(table["run_id"].unique())).set_index(["run_id", "shown"])
        )
        for row in table.itertuples():
            known = conditions.loc[(row.run_id, row.shown)]
            assert row.condition == known["condition"]
            assert row.condition_epsilon == known["epsilon"] or row.shown == "clean"
        assert set(table["run_id"]) <= set(opened_store.reader().runs.all()["run_id"])


def exported_rows(figures: PageFigures, name: str) -> pd.DataFrame:
    """The rows of a figure's exported table."""
    return pd.read_csv(io.BytesIO(figures._file(name, FileKind.CSV, 3.25, 8)), float_precision="round_trip")


def check_figures(figures: PageFigures, sizes: Iterable[tuple[float, float]]) -> None:
    """Export all figures of a page as PDF, and check that they have the width, and that text and legends are whole."""
    assert figures._drawn
    for name, (chart, _rows, _about) in figures._drawn.items():
        for width, points in sizes:
            where = f"{name} at {width} inches"
            (sheet,) = PdfReader(io.BytesIO(picture_file(chart, FileKind.PDF, width, points))).pages
            assert float(sheet.mediabox.width) == pytest.approx(72 * width, abs=1), where
            boxes = text_boxes(sheet)
            assert boxes and not [box for box in boxes if is_cut(box, sheet)], where
            assert not covered(boxes), where
            legends = for_paper(chart, width * PIXELS_PER_INCH, points / 0.75).legends
            assert without_spaces("".join(entry.name for legend in legends for entry in legend)) in without_spaces(
                "".join(box.text for box in boxes)
            ), where
            assert all("/FontFile2" in descriptor or "/FontFile3" in descriptor for descriptor in descriptors(sheet)), (
                where
            )


def is_cut(box: Box, sheet: Any) -> bool:
    """Return whether a text extends beyond the page."""
    width, height = float(sheet.mediabox.width), float(sheet.mediabox.height)
    return box.left < -SLACK or box.bottom < -SLACK or box.right > width + SLACK or box.top > height + SLACK


def covered(boxes: list[Box]) -> list[tuple[str, str]]:
    """The pairs of letters that lie on each other by almost half of the smaller one."""
    letters = [box for box in boxes if box.text.strip() and not box.slanted]
    left, bottom, right, top = np.array([box[1:5] for box in letters]).T
    across = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    up = np.minimum(top[:, None], top) - np.maximum(bottom[:, None], bottom)
    area = (right - left) * (top - bottom)
    shared = across.clip(0) * up.clip(0) > 0.45 * np.minimum(area[:, None], area)
    return [(letters[i].text, letters[j].text) for i, j in np.argwhere(np.triu(shared, 1))]


def without_spaces(text: str) -> str:
    return "".join(text.split())


def descriptors(sheet: Any) -> list[Any]:
    fonts = sheet["/Resources"]["/Font"].values()
    return [font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object() for font in fonts]


def test_lines_and_names_of_files_of_a_page(figures_of: Any) -> None:
    """Solid lines have no dash, the epoch under the cursor is not marked, and a table says what was measured."""
    figures = figures_of("collapse")
    (name, (chart, _rows, about)) = next(iter(figures._drawn.items()))
    svg = picture_file(chart, FileKind.SVG, 3.25, 8).decode()
    assert 'stroke-dasharray="1,0"' not in svg and 'stroke-dasharray="6,3"' in svg
    assert 'stroke-dasharray="3,3"' not in svg, "the rule at the selected epoch"
    assert about["split"] == "train"
    table = figures._file(name, FileKind.CSV, 3.25, 8).decode().splitlines()
    assert {"split", "run_id", "condition", "condition_epsilon", "condition_norm", "condition_steps"} <= set(
        table[0].split(",")
    )
    assert any(",linf," in line and ",0.0313725" in line for line in table), "the perturbed rows have the attack's size"


@pytest.mark.parametrize("page", ["collapse", "geometry", "projections"])
def test_the_first_data_set_of_a_chart_is_its_table(
    page: str, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit's "Show data" shows the first one, which once was the epoch under the cursor."""
    for name, chart in charts(open_page(page, tiny_store, monkeypatch)).items():
        assert len(chart["rows"][0]) > 1 and not {"cursor", "unit", "highest"} & set(chart["rows"][0]), name
        assert {"value", "cosine", "sample", "count", "degrees"} & set(chart["rows"][0]), name
