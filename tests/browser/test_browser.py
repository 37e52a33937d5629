"""Tests of behaviour that only a real browser shows: the cursor moves the charts, deep links hold, figures are downloaded."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from rnc.store.reader import StoreReader
from rnc.ui.page_script import scripts_of_elements
from tests.browser.conftest import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def measured_epochs(store: Path) -> list[int]:
    """The epochs at which the runs of a store are measured, ascending."""
    reader = StoreReader(store)
    return sorted(set(reader.metrics.measured_epochs(list(reader.runs.all()["run_id"]))["epoch"]))


def press_cursor(page: Page, key: str) -> None:
    """Move the epoch cursor by a key."""
    slider = page.get_by_role("slider").first
    slider.focus()
    slider.press(key)


def test_the_cursor_moves_the_charts(demo_address: str, page: Page) -> None:
    """The heat map, its caption and the address follow the epoch cursor."""
    visit(page, demo_address + "/geometry")
    caption = page.get_by_text(re.compile(r"· epoch \d+ ·"))
    expect(caption).to_contain_text("epoch 60")
    before = page.locator("canvas, svg.marks").first.screenshot()
    press_cursor(page, "Home")
    expect(caption).to_contain_text("epoch 0")
    expect(page).to_have_url(re.compile("epoch=0"))
    assert page.locator("canvas, svg.marks").first.screenshot() != before


def test_the_cursor_plays_over_the_measured_epochs(demo_store: Path, demo_address: str, page: Page) -> None:
    """Over the last ones without a hand, then it rests."""
    *_before, first, second, last = measured_epochs(demo_store)
    visit(page, f"{demo_address}/geometry?epoch={first}")
    caption = page.get_by_text(re.compile(r"· epoch \d+ ·"))
    expect(caption).to_contain_text(f"epoch {first} ")
    page.get_by_text("Play", exact=True).click()
    expect(caption).to_contain_text(f"epoch {second} ")
    expect(caption).to_contain_text(f"epoch {last} ")
    expect(page.get_by_role("switch", name="Play").or_(page.get_by_role("checkbox", name="Play"))).not_to_be_checked()


def test_scripts_of_controls_and_charts_are_loaded_before_they_are_needed(demo_address: str, new_page: Page) -> None:
    """The runs page has no chart, and a visitor who goes on to one with charts has their scripts already."""
    visit(new_page, demo_address + "/runs")
    settle(new_page)
    asked = "performance.getEntriesByType('resource').map((entry) => entry.name.split('/').pop())"
    for name in scripts_of_elements():
        new_page.wait_for_function(f"{asked}.includes('{name}')")
    assert new_page.get_by_test_id("stVegaLiteChart").count() == 0
    names = new_page.evaluate(asked)
    assert [name for name in names if name.endswith(".js") and names.count(name) > 1] == []


def test_a_deep_link_into_a_fresh_server(demo_store: Path, serve: Callable[[Path], str], page: Page) -> None:
    """The first request that a server gets may be any page with any choice."""
    epoch = measured_epochs(demo_store)[-5]
    visit(page, f"{serve(demo_store)}/geometry?run=AT&epoch={epoch}&split=test&condition=targeted")
    expect(page.get_by_role("heading", level=1)).to_have_text("Geometry of the class means")
    expect(page.get_by_text(re.compile(rf"-at-linf-.* · epoch {epoch} · test images"))).to_be_visible()
    expect(page.get_by_role("combobox", name=re.compile("Condition"))).to_have_value("targeted")
    page.get_by_test_id("stSidebarNav").get_by_text("Collapse").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Collapse over epochs")
    expect(page).to_have_url(re.compile(rf"/collapse\?.*epoch={epoch}(&|$)"))


@pytest.mark.usefixtures("demo_store")  # only to come after the background training
def test_the_demo_can_be_trained_from_the_empty_page(tmp_path: Path, serve: Callable[[Path], str], page: Page) -> None:
    """An empty store offers the demo; its progress shows, the pages fill, and Stop ends it."""
    visit(page, serve(tmp_path / "new" / "rnc.duckdb"))
    page.get_by_role("button", name="Train the demo").click()
    expect(page.get_by_text(re.compile(r"epoch \d+ of 60")).first).to_be_visible()
    expect(page.get_by_role("heading", name="What an attack does to a network's geometry")).to_be_visible()
    stop = page.get_by_role("button", name="Stop training")
    expect(stop).to_have_count(1)
    stop.click()
    expect(page.get_by_text(re.compile(r"epoch \d+ of 60"))).to_have_count(0)


def test_a_figure_is_taken_along(demo_address: str, page: Page) -> None:
    """Export offers the figures of the page; the files that the browser gets are what their names say."""
    visit(page, demo_address + "/collapse")
    page.get_by_role("button", name="Export").click()
    starts = {"SVG": b"<svg", "PDF": b"%PDF", "PNG": b"\x89PNG", "CSV": b"split,", "PARQUET": b"PAR1"}
    for kind, start in starts.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=kind, exact=True).click()
        assert download.value.suggested_filename == f"nc1-within-class-variability-over-epochs-train.{kind.lower()}"
        assert download.value.path().read_bytes().startswith(start)
