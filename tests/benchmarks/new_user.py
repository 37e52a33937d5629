"""Somebody who does a task of the dashboard in a browser, and what it takes; for `python -m tests.benchmarks.tasks`."""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Error, Locator

from tests.benchmarks.page_acts import Visitor
from tests.benchmarks.pages import PAGES, go

HOME = PAGES["Findings"]
TITLES = PAGES | {"Film": "Collapse film"}
ATTEMPTS = 3
_HEIGHT = 900  # pixels of the visitor's window
_PATIENCE_MS = 120_000
_ROW, _HEADER = 35, 38  # pixels of a table
_SECONDS_OF_ATTACK = re.compile(r"seed \d+ · .* · ([\d.]+) s$")


class NewUser:
    """A visitor who begins on the home page, with what the visit took: interactions, waiting, scrolling.

    An interaction is a click, an entry into a field, or the mouse held over a chart.
    """

    def __init__(self, browser: Browser, address: str, process: int, title: str = HOME) -> None:
        """Open the home page, which has this title, in a profile of the browser that knows nothing yet."""
        self._visitor = Visitor(browser, process)
        self.page = self._visitor.page
        self.page.set_default_timeout(_PATIENCE_MS)
        self.sidebar = self.page.get_by_test_id("stSidebar")
        self.interactions, self.scrolled = 0, 0
        self.waited = self.attacked = 0.0
        """Seconds, those of attacks by the attack lab's account apart."""
        begin = time.perf_counter()
        self.opened = self._visitor.rest(partial(self._arrive, address), title) - begin

    def _arrive(self, address: str) -> None:
        """Go to an address as soon as its server answers."""
        for _attempt in range(600):
            try:
                self.page.goto(address)
                return
            except Error:
                self.page.wait_for_timeout(100)

    def do(
        self, act: Callable[[], object], title: str = "", *, reruns: bool = True, until: Locator | None = None
    ) -> None:
        """Interact once, and wait until the page of this title is at rest and something is visible.

        `reruns` says if the script runs for the interaction; a page of any title is waited for if there is none.
        """
        self.interactions += 1
        begin = time.perf_counter()
        ended = self._visitor.rest(act, title, reruns=reruns)
        if until is not None and not until.first.is_visible():
            until.first.wait_for()
            ended = self._visitor.rest(lambda: None, title, reruns=False)
        self.waited += ended - begin

    def click(self, target: Locator, title: str = "", *, reruns: bool = True, until: Locator | None = None) -> None:
        """Click something, for which the page is scrolled if need be."""
        self._reach(target)
        self.do(target.first.click, title, reruns=reruns, until=until)

    def enter(self, field: Locator, text: str, title: str = "", *, reruns: bool = True) -> None:
        """Click into a field, and type a text and the enter key."""
        self._reach(field)

        def type_text() -> None:
            field.click()
            field.fill(text)
            field.press("Enter")

        self.do(type_text, title, reruns=reruns)

    def go(self, name: str) -> None:
        """Choose a page in the navigation."""
        self.do(partial(go, self.page, name), TITLES[name])

    def press(self, name: str, title: str = "", *, until: Locator | None = None) -> None:
        """Press a button of the page itself: Streamlit shows a Stop in the header while a page is drawn."""
        ours = self.page.locator("button:not([data-testid='stBaseButton-header'])")
        self.click(self.page.get_by_role("button", name=name, exact=True).and_(ours), title, until=until)

    def attack(self, name: str, done: Locator) -> None:
        """Press a button of the attack lab, wait for the result, and count the attack's seconds apart."""
        self.press(name, TITLES["Attack lab"], until=done)
        self.take_off_attack()

    def take_off_attack(self) -> None:
        """Take the seconds of the shown attack, which its result states, off the waiting."""
        stated = self.page.get_by_text(_SECONDS_OF_ATTACK).first.inner_text()
        match = _SECONDS_OF_ATTACK.search(stated)
        seconds = float(match.group(1)) if match else 0.0
        self.attacked += seconds
        self.waited = max(self.waited - seconds, 0.0)

    def open_run(self, row: int) -> None:
        """Click into a row of the table of runs."""
        table = self.page.get_by_test_id("stDataFrame").first
        place = {"x": 300, "y": _HEADER + _ROW * row + _ROW / 2}
        self.do(partial(table.click, position=place), TITLES["Runs"], until=self.page.locator(".st-key-open_run"))

    def hover(self, chart: Locator, share: float, until: Locator) -> None:
        """Hold the mouse over a chart, so far from its left edge, until something is visible."""
        self._reach(chart)
        chart.scroll_into_view_if_needed()
        area = chart.bounding_box()
        assert area is not None
        at = area["x"] + share * area["width"], area["y"] + area["height"] / 2

        def move_onto() -> None:
            self.page.mouse.move(at[0] - 8, at[1])
            self.page.mouse.move(*at, steps=3)

        self.do(move_onto, reruns=False, until=until)

    def download(self, name: str) -> Path:
        """Press a button until it brings a file, as its second press does if the server was too slow for the browser."""
        button = self.page.get_by_role("button", name=name, exact=True)
        for _attempt in range(ATTEMPTS):
            self.interactions += 1
            begin = time.perf_counter()
            with self.page.expect_download() as download:
                button.click()
            failure = download.value.failure()
            self.waited += time.perf_counter() - begin
            if failure is None:
                return download.value.path()
        raise AssertionError(f"{name} brought no file: {failure}")

    def sees(self, text: str | re.Pattern[str]) -> str:
        """Return the shown text that contains this one, scrolling to it if need be; AssertionError if there is none."""
        return self.sees_at(self.page.get_by_text(text))

    def sees_at(self, place: Locator) -> str:
        """Return the text at a place, scrolling to it if need be; AssertionError if it is not shown."""
        if not place.first.is_visible():
            raise AssertionError(f"not shown: {place}")
        self._reach(place)
        return place.first.inner_text()

    def _reach(self, target: Locator) -> None:
        """Scroll to something, and count by how many pixels."""
        area = target.first.bounding_box()
        if area is None:
            return
        outside = max(area["y"] + area["height"] - _HEIGHT, -area["y"], 0)
        if outside:
            self.scrolled += round(outside)
            target.first.scroll_into_view_if_needed()
