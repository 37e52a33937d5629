"""The runs page in a browser: a click in a row opens its run, and Stop stops a training at the first click."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, WebSocketRoute, expect
from streamlit.proto.BackMsg_pb2 import BackMsg

from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.browser.conftest import Servers, settle, visit
from tests.rnc.store.hand_written import begin, leave_unused_room, one_epoch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROW, HEADER = 35, 35  # pixels
RERUN_WITHOUT_END = """() => {
    const options = () => [...document.querySelectorAll("[data-testid=stSidebar] [data-testid=stButtonGroup] button")]
    let clicks = 0
    window.reruns = setInterval(() => options()[clicks++ % 2].click(), 150)
}"""
"""Selects the other split again and again, each time a rerun of the whole page."""
STARTS = 2  # one stopped in the page, one in the sidebar


def make_store(folder: Path) -> Path:
    """Write two finished runs with a measured epoch each; the second one is newer, and therefore the first row."""
    path = folder / "rnc.duckdb"
    for run_id, objective in (("one-st", "st"), ("two-at", "at")):
        begin(path, run_id, objective=objective).write_epoch(run_id, 4, one_epoch(run_id, 4))
        StoreWriter(path).end_run(run_id, RunState.FINISHED, 1.0)
    return path


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The servers of this file."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.end()


@pytest.fixture(scope="module")
def address(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server whose store keeps its two runs, and has unused room; a test may tag a run that no other one tags."""
    store = make_store(tmp_path_factory.mktemp("kept"))
    leave_unused_room(store)
    return servers.start(store)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which one test deletes its two runs, and one trains."""
    return make_store(tmp_path_factory.mktemp("changed"))


def open_by_click(page: Page, row: int, name: str, x: int = 300) -> None:
    """Click into the table of runs, x pixels from its left edge, as soon as it is drawn, and wait for the run's panel."""
    heading = page.locator(".st-key-open_run").get_by_role("heading", name=name)
    for _attempt in range(6):
        settle(page)
        table = page.get_by_test_id("stDataFrame").first
        table.locator("canvas").first.wait_for()
        table.click(position={"x": x, "y": HEADER + ROW * row + ROW / 2})
        with suppress(Error):  # (a table that is being replaced takes no click)
            heading.wait_for(timeout=30_000)  # (a second click in a selected cell shows its text, and opens nothing)
            return
    pytest.fail(f"no click in row {row} opened {name}")


def test_a_click_in_a_row_opens_its_run_in_place(address: str, page: Page) -> None:
    visit(page, address + "/runs")
    settle(page)
    panel = page.locator(".st-key-open_run")
    expect(page.get_by_text("Click a row to open its run")).to_be_visible()
    open_by_click(page, 0, "AT")
    expect(page).to_have_url(re.compile("config_of=two-at"))
    assert panel.bounding_box()["y"] < 900, "in the window, without scrolling"  # type: ignore[index]
    open_by_click(page, 1, "ST", x=60)
    panel.get_by_role("button", name="Delete …").click()
    question = panel.get_by_text("Delete 1 run permanently?")
    expect(question).to_be_visible()
    assert question.bounding_box()["y"] < 900, "the question is where it was asked for"  # type: ignore[index]
    panel.get_by_role("button", name="Close").click()
    expect(panel).to_have_count(0)
    open_by_click(page, 1, "ST", x=60)
    page.reload()
    expect(panel.get_by_role("heading", name="ST")).to_be_visible()


def look_for_news_before_each_request(page: Page) -> None:
    """Send a refresh just before each request for the page, with the values of the same moment, as a busy browser can."""
    part = ""

    def connect(browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()

        def forward(data: str | bytes) -> None:
            nonlocal part
            message = BackMsg.FromString(data) if isinstance(data, bytes) else BackMsg()
            asked = message.rerun_script
            part = asked.fragment_id or part
            if message.WhichOneof("type") == "rerun_script" and not asked.fragment_id and part:
                asked.fragment_id, asked.is_auto_rerun = part, True
                server.send(message.SerializeToString())
            server.send(data)

        browser.on_message(forward)

    page.route_web_socket(re.compile("/_stcore/stream"), connect)


def test_a_click_opens_its_run_though_a_look_for_news_comes_before_the_request(address: str, new_page: Page) -> None:
    """Streamlit opened the run for the look, which draws no page, and drew the page without it; other clicks changed nothing."""
    look_for_news_before_each_request(new_page)
    visit(new_page, address + "/runs")
    settle(new_page)
    new_page.wait_for_timeout(2_000)  # (the first look)
    for row, name in [(1, "ST"), (0, "AT"), (1, "ST")]:
        open_by_click(new_page, row, name)


def test_a_run_can_be_clicked_again_after_back(address: str, page: Page) -> None:
    """Its cell stayed selected, and a click in a selected cell does nothing."""
    visit(page, address + "/runs")
    for row, name in [(1, "ST"), (0, "AT")]:
        open_by_click(page, row, name)
    settle(page)
    page.go_back()
    expect(page.locator(".st-key-open_run").get_by_role("heading", name="ST")).to_be_visible()
    open_by_click(page, 0, "AT")


def test_a_deletion_takes_two_clicks_in_the_open_run_and_is_seen(store: Path, servers: Servers, page: Page) -> None:
    """On a phone and on a screen: the panel goes away, and what was deleted is said where it was."""
    for number in range(2, 12):  # (a table that is as high as the window of a phone)
        begin(store, f"more-{number}", seed=number).write_epoch(f"more-{number}", 4, one_epoch(f"more-{number}", 4))
        StoreWriter(store).end_run(f"more-{number}", RunState.FINISHED, 1.0)
    address = servers.running(store)
    for row, size in enumerate([{"width": 390, "height": 844}, {"width": 1024, "height": 700}]):
        run_id, name = [("one-st", "ST"), ("two-at", "AT")][row]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        visit(page, f"{address}/runs?config_of={run_id}&all_fields=true")
        panel = page.locator(".st-key-open_run")
        expect(panel.get_by_role("heading", name=name)).to_be_visible()
        page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")
        panel.get_by_role("button", name="Delete …").click()
        panel.get_by_role("button", name="Delete permanently").click()
        expect(panel).to_have_count(0)
        settle(page)
        expect(page.get_by_text(f"Deleted {run_id}")).to_be_in_viewport(ratio=1)


_PLACES_OF_LETTERS = """name => {
  const walker = document.createTreeWalker(name, NodeFilter.SHOW_TEXT), places = [];
  while (walker.nextNode()) for (let i = 0; i < walker.currentNode.length; i++) {
    const range = document.createRange();
    range.setStart(walker.currentNode, i); range.setEnd(walker.currentNode, i + 1);
    places.push(range.getBoundingClientRect().left);
  }
  return places;
}"""
"""The left sides of a text's letters, in the order of the text."""


def test_a_tag_is_saved_when_it_is_entered(address: str, page: Page) -> None:
    """And the next one can be entered without another click."""
    visit(page, address + "/runs?config_of=two-at")
    panel = page.locator(".st-key-open_run")
    panel.get_by_role("combobox", name="Tags").click()
    for tag in ("paper", "compare"):
        page.keyboard.type(tag)
        page.keyboard.press("Enter")
        expect(panel.locator("[data-tag]").get_by_text(tag)).to_be_visible()
        expect(page.get_by_test_id("stToast").get_by_text("Saved for two-at").first).to_be_visible()
    expect(panel.locator("[data-tag]")).to_have_count(2)
    page.reload()
    expect(panel.locator("[data-tag]")).to_have_count(2)


def test_a_name_keeps_its_letters_in_their_places(address: str, page: Page) -> None:
    """The style that shows the end of a long name moved a mark from the end of a name to its beginning."""
    visit(page, address + "/runs?config_of=one-st")
    panel = page.locator(".st-key-open_run")
    panel.get_by_role("combobox", name="Tags").click()
    page.keyboard.type("rerun?")
    page.keyboard.press("Enter")
    chip = panel.locator("[data-tag] > span[title]")
    expect(chip).to_have_text("rerun?")
    places = chip.evaluate(_PLACES_OF_LETTERS)
    assert places == sorted(places)


def test_no_toolbar_of_a_table_covers_a_button(address: str, page: Page) -> None:
    visit(page, address + "/runs?runs=one-st&runs=two-at")
    settle(page)
    near = [page.get_by_role("button", name="Compact the store"), page.get_by_text("All fields")]
    for place, button in enumerate(near):
        table = page.get_by_test_id("stDataFrame").nth(place)
        table.locator("canvas").first.wait_for()
        expect(button).to_be_visible()
        settle(page)
        table.hover()
        toolbar = table.locator("xpath=ancestor::*[@data-testid='stElementContainer'][1]").get_by_test_id(
            "stElementToolbar"
        )
        expect(toolbar).to_be_visible()
        page.wait_for_timeout(500)  # (it slides to its place)
        boxes = toolbar.bounding_box(), button.bounding_box()
        assert not overlap(*boxes), boxes


def overlap(one: Any, other: Any) -> bool:
    """Return whether two boxes on the page overlap."""
    across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    return across > 0 and down > 0


def test_stop_works_at_the_first_click_while_the_page_reruns(store: Path, servers: Servers, page: Page) -> None:
    """Reruns replaced the fragment that the button was in, and the click with it."""
    visit(page, servers.running(store) + "/runs")
    settle(page)
    here = page.locator(".st-key-training_here")
    page.get_by_role("button", name="Train", exact=False).first.click()
    page.get_by_role("button", name="Train the demo").click()
    for start in range(1, STARTS + 1):
        where = here if start % 2 else page.get_by_test_id("stSidebar")
        for card in (here, page.get_by_test_id("stSidebar")):  # one may still show how the start before this one ended
            expect(card.get_by_text("Starting the training")).to_be_visible()
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
