"""The runs page in a browser: a click in a row opens its run, and Stop stops a training at the first click."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Page, expect

from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.browser.conftest import settle, visit
from tests.rnc.store.hand_written import begin, one_epoch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROW, HEADER = 35, 35  # pixels
RERUN_WITHOUT_END = """() => {
    const options = () => [...document.querySelectorAll("[data-testid=stSidebar] [data-testid=stButtonGroup] button")]
    let clicks = 0
    window.reruns = setInterval(() => options()[clicks++ % 2].click(), 150)
}"""
"""Selects the other split again and again, each time a rerun of the whole page."""
STARTS = 2  # one stopped in the page, one in the sidebar


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two finished runs with a measured epoch each; the second one is newer, and therefore the first row."""
    path = tmp_path / "rnc.duckdb"
    for run_id, objective in (("one-st", "st"), ("two-at", "at")):
        begin(path, run_id, objective=objective).write_epoch(run_id, 4, one_epoch(run_id, 4))
        StoreWriter(path).end_run(run_id, RunState.FINISHED, 1.0)
    return path


def open_by_click(page: Page, row: int, name: str, x: int = 300) -> None:
    """Click into the table of runs, x pixels from its left edge, as soon as it is drawn, and wait for the run's panel."""
    heading = page.locator(".st-key-open_run").get_by_role("heading", name=name)
    for _attempt in range(20):
        table = page.get_by_test_id("stDataFrame").first
        table.locator("canvas").first.wait_for()
        table.click(position={"x": x, "y": HEADER + ROW * row + ROW / 2})
        with suppress(Error):  # (a table that is being replaced takes no click)
            heading.wait_for(timeout=5_000)
            return
    pytest.fail(f"no click in row {row} opened {name}")


def test_a_click_in_a_row_opens_its_run_in_place(store: Path, serve: Callable[[Path], str], page: Page) -> None:
    visit(page, serve(store) + "/runs")
    settle(page)
    panel = page.locator(".st-key-open_run")
    expect(page.get_by_text("Click a row to open its run")).to_be_visible()
    open_by_click(page, 0, "AT")
    expect(page).to_have_url(re.compile("config_of=two-at"))
    assert panel.bounding_box()["y"] < 900, "in the window, without scrolling"  # type: ignore[index]
    open_by_click(page, 1, "ST", x=60)
    panel.get_by_role("tab", name="Archive or delete").click()
    panel.get_by_role("button", name="Delete …").click()
    question = panel.get_by_text("Delete 1 run permanently?")
    expect(question).to_be_visible()
    assert question.bounding_box()["y"] < 900, "the question is where it was asked for"  # type: ignore[index]
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
    open_by_click(page, 1, "ST", x=60)
    page.reload()
    expect(panel.get_by_role("heading", name="ST")).to_be_visible()


def test_stop_works_at_the_first_click_while_the_page_reruns(
    store: Path, serve: Callable[[Path], str], page: Page
) -> None:
    """Reruns replaced the fragment that the button was in, and the click with it."""
    visit(page, serve(store) + "/runs")
    settle(page)
    here = page.locator(".st-key-training_here")
    page.get_by_role("button", name="Train", exact=False).first.click()
    page.get_by_role("button", name="Train the demo").click()
    for start in range(1, STARTS + 1):
        where = here if start % 2 else page.get_by_test_id("stSidebar")
        expect(where.get_by_text("Starting the training")).to_be_visible()
        page.evaluate(RERUN_WITHOUT_END)
        where.get_by_role("button", name="Stop training").click()
        expect(here.get_by_text("The training is stopped")).to_be_visible()
        page.evaluate("clearInterval(window.reruns)")
        events = [json.loads(line)["event"] for line in (store.parent / "rnc.log").read_text().splitlines()]
        assert events.count("training started") == events.count("training stopped") == start
        if start < STARTS:
            here.get_by_role("button", name="Resume training").click()
    here.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("The training is stopped")).to_have_count(0)
