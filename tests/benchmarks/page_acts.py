"""Acts of a visitor in a browser, and the cost of each to the server; for `python -m tests.benchmarks.page_cost`.

An act has ended when all its runs of the script have, all charts are drawn, and no further run begins for QUIET_MS.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page

from docs.tools import served, visit
from tests.benchmarks.frames import FrameCounter, Traffic
from tests.benchmarks.pages import PAGES, go, wait
from tests.faults.soak import memory

QUIET_MS = 1_500
IDLE_SECONDS = 10
IDLE = f"idle, {IDLE_SECONDS} s"
COLD = "cold start, Collapse"
FURTHER_SESSIONS = 10
_FIRST = "Collapse"
_PATIENCE_SECONDS = 120
_WINDOW = {"width": 1440, "height": 900}
_STEPS, _STEP_MS = 12, 80  # of a drag of the mouse
_WORD = "trades"  # stands in some runs of the gallery, of the demo and of synthetic stores, and not in others


@dataclass(frozen=True)
class Cost:
    """The cost of an act."""

    processor: float
    """Seconds of the server's process."""
    seconds: float
    """From the act to the page at rest; the other counts go on until it is certain that it rests."""
    traffic: Traffic


def processor_seconds(process: int) -> float:
    """Return the seconds of work of a process and its threads, without other processes that it started (Linux, to 0.01 s)."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system = after_name[11:13]
    return (int(user) + int(system)) / 100  # (the unit of /proc is 1/100 s on all machines)


def without_polls(costs: dict[str, Cost]) -> dict[str, Cost]:
    """Return the costs less those of polls, each of which costs what one does while nobody does anything; idle itself stays.

    An act that costs next to nothing may therefore have slightly less than 0 seconds.
    """
    each = costs[IDLE].processor / max(costs[IDLE].traffic.polls, 1)
    return {
        act: cost if act == IDLE else replace(cost, processor=cost.processor - each * cost.traffic.polls)
        for act, cost in costs.items()
    }


class Visitor:
    """Somebody with one page of a server."""

    def __init__(self, browser: Browser, process: int) -> None:
        """Open an empty page."""
        self._process = process
        self.page = browser.new_context(viewport=_WINDOW).new_page()
        self._counter = FrameCounter(self.page)
        self.costs: dict[str, Cost] = {}

    @contextmanager
    def _counted(self, name: str, begin: float | None = None) -> Iterator[list[float]]:
        """Count what is done within; the moment at which the page was at rest is to be appended to the list."""
        processor = processor_seconds(self._process) if begin is None else 0.0
        begin, before, rested = begin or time.perf_counter(), self._counter.traffic, []
        yield rested
        processor = processor_seconds(self._process) - processor
        self.costs[name] = Cost(processor, rested[-1] - begin, self._counter.traffic - before)

    def do(self, name: str, act: Callable[[], object], title: str, *, reruns: bool = True) -> None:
        """Do something on the page of this title, or that leads to it; `reruns` says whether the script must run for it."""
        with self._counted(name) as rested:
            rested.append(self.rest(act, title, reruns=reruns))

    def arrive(self, address: str, query: str, begin: float) -> None:
        """Open the app at a server that was started at the moment `begin`."""
        with self._counted(COLD, begin) as rested:
            open_page = partial(visit, self.page, f"{address}/{_FIRST.lower()}{query}", settle_ms=0)
            rested.append(self.rest(open_page, PAGES[_FIRST]))

    def idle(self) -> None:
        """Do nothing."""
        with self._counted(IDLE) as rested:
            self.page.wait_for_timeout(1_000 * IDLE_SECONDS)
            rested.append(time.perf_counter())

    def go(self, name: str) -> None:
        """Choose a page, if it is not the one that is open; not counted."""
        if not self.page.locator("h1").inner_text().startswith(PAGES[name]):
            self.rest(partial(go, self.page, name), PAGES[name])

    def rest(self, act: Callable[[], object], title: str, *, reruns: bool = True) -> float:
        """Act, and wait for the end of all that follows; return the moment at which the page was at rest."""
        ended = self._counter.ended
        act()
        if reruns:
            self._until(lambda: self._counter.ended > ended)
        while True:
            begun = self._counter.begun
            wait(self.page, title)
            rested = time.perf_counter()
            self.page.wait_for_timeout(QUIET_MS)
            if self._counter.begun == begun and not self._counter.is_running:
                return rested
            self._until(lambda: not self._counter.is_running)

    def _until(self, reached: Callable[[], bool]) -> None:
        begin = time.perf_counter()
        while not reached():
            if time.perf_counter() - begin > _PATIENCE_SECONDS:
                raise TimeoutError(f"no run of the script ended in {_PATIENCE_SECONDS} s at {self.page.url}")
            self.page.wait_for_timeout(10)


def go_through_pages(visitor: Visitor) -> None:
    """Open every page but the first for the first time, rest, then switch to each again."""
    others = [name for name in PAGES if name != _FIRST]
    for name in others:
        visitor.do(f"first visit, {name}", partial(go, visitor.page, name), PAGES[name])
    visitor.idle()
    for name in (_FIRST, *others):
        visitor.do(f"switch, {name}", partial(go, visitor.page, name), PAGES[name])


def use_controls(visitor: Visitor) -> None:
    """Move and change what the sidebar and the map offer; what a store does not offer is left out."""
    page, sidebar = visitor.page, visitor.page.get_by_test_id("stSidebar")
    slider = sidebar.get_by_role("slider").first
    for name in ("Collapse", "Geometry", "Findings"):
        visitor.go(name)
        if slider.count():
            visitor.do(f"epoch moved, {name}", partial(slider.press, "ArrowLeft"), PAGES[name])
    _use_map(visitor)
    visitor.go("Collapse")
    _filter(visitor, sidebar)
    for number, (name, split) in enumerate({"Collapse": "test", "Geometry": "train"}.items(), start=1):
        visitor.go(name)
        conditions = sidebar.get_by_role("combobox", name=re.compile("^Condition"))
        # a list that has to scroll into view closes again
        conditions.evaluate("field => field.scrollIntoView({ block: 'center' })")
        conditions.click()
        options = page.get_by_role("option")
        options.first.wait_for()
        if options.count() > number:
            visitor.do(f"condition changed, {name}", options.nth(number).click, PAGES[name])
        page.keyboard.press("Escape")
        visitor.do(f"split changed, {name}", sidebar.get_by_text(split, exact=True).click, PAGES[name])


def _use_map(visitor: Visitor) -> None:
    """Click on a class in the legend of the map, which only the browser needs to know of, and draw a box on the map."""
    visitor.go("Projections")
    page, title = visitor.page, PAGES["Projections"]
    legend = page.locator(".st-key-plane .role-legend").filter(has_text="true class")
    label = legend.locator(".role-legend-label text").first
    if label.count():
        label.scroll_into_view_if_needed()
        click = partial(page.mouse.click, *_place(label, 0.5))  # (Playwright's own click may wait for a minute)
        visitor.do("legend clicked, Projections", click, title, reruns=False)
    drawing = page.locator(".st-key-plane canvas, .st-key-plane svg.marks").first
    if drawing.count():
        drawing.scroll_into_view_if_needed()
        visitor.do("box drawn, Projections", partial(_draw_box, page, drawing), title)


def _place(element: Locator, share: float) -> tuple[float, float]:
    """Return a place in the window: so far into an element from its left and its top."""
    area = element.bounding_box()
    assert area
    return area["x"] + share * area["width"], area["y"] + share * area["height"]


def _draw_box(page: Page, drawing: Locator) -> None:
    """Drag the mouse over the middle of a drawing, for as long as a person does: the chart may report boxes on the way."""
    page.mouse.move(*_place(drawing, 0.3))
    page.mouse.down()
    for step in range(1, _STEPS + 1):
        page.mouse.move(*_place(drawing, 0.3 + 0.4 * step / _STEPS))
        page.wait_for_timeout(_STEP_MS)
    page.mouse.up()


def _filter(visitor: Visitor, sidebar: Locator) -> None:
    """Type a word into the filter of runs."""
    sidebar.get_by_role("button", name="Filter").click()
    field = visitor.page.get_by_role("searchbox", name="Search")
    field.wait_for()

    def type_word() -> None:
        field.press_sequentially(_WORD, delay=50)
        field.press("Enter")

    visitor.do("filter word typed, Collapse", type_word, PAGES["Collapse"])
    visitor.page.keyboard.press("Escape")
    visitor.rest(lambda: None, PAGES["Collapse"], reruns=False)


def session_megabytes(browser: Browser, address: str, process: int) -> float:
    """Return by how much the server's memory grows with each further visitor who opens the app and stays, in MB."""
    before, contexts = memory(process), []
    for _session in range(FURTHER_SESSIONS):
        contexts.append(browser.new_context(viewport=_WINDOW))
        page = contexts[-1].new_page()
        visit(page, f"{address}/{_FIRST.lower()}", settle_ms=0)
        wait(page, PAGES[_FIRST])
    grown = memory(process) - before
    for context in contexts:
        context.close()
    return grown / FURTHER_SESSIONS


def all_acts(browser: Browser, store: Path, tree: Path, query: str = "") -> tuple[dict[str, Cost], float]:
    """Start a server of a checkout on a store; return the cost of each act, and the MB a session.

    `query` is that of the first address: `?runs=...` chooses runs.
    """
    begin = time.perf_counter()
    with served(store, None, tree) as (address, process):
        visitor = Visitor(browser, process)
        visitor.arrive(address, query, begin)
        go_through_pages(visitor)
        use_controls(visitor)
        megabytes = session_megabytes(browser, address, process)
        visitor.page.context.close()
    return without_polls(visitor.costs), megabytes
