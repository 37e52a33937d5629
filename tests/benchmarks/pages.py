"""Waiting times for pages, on the demo and on a store of 150 runs x 400 epochs: `python -m tests.benchmarks.pages`.

The real server and a headless Chromium. From the start of the server's process to the first chart (cold start), the first
visit to each page and the second, and a move of the epoch cursor; each ends when the app rests and all that it sent is drawn.
Stores take turns, each time with a fresh server and browser, so that a busy spell of the machine falls on all alike. A store
that is not named is made first (the demo in about 5 minutes, the large one in about 6).

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
from playwright.sync_api import Browser, Page

from docs.tools import app, chromium, visit
from rnc.store.reader import StoreReader
from tests.benchmarks.machine import machine
from tests.benchmarks.results import header, write_json

PAGES = {
    "Findings": "What an attack does to a network's geometry",
    "Collapse": "Collapse over epochs",
    "Geometry": "Geometry of the class means",
    "Projections": "Projections of the features",
    "Layers": "Collapse along the network",
    "Attack lab": "Attack lab",
    "Runs": "Runs",
}
"""The name of each page in the navigation, and its title."""
_FIRST = "Collapse"
_MOVED = ("Collapse", "Geometry")
_PATIENCE_MS = 120_000
_SETTLED_MS = 1_000  # after a key that moves the slider, which waits for more before it tells the app
_RESTS = """([title, word]) => {
    const app = document.querySelector('[data-testid="stApp"]');
    if (!app || app.getAttribute('data-test-script-state') !== 'notRunning') return false;
    const heading = document.querySelector('h1');
    if (!heading || !heading.textContent.startsWith(title)) return false;
    const drawn = (kind, marks) => [...document.querySelectorAll(`[data-testid="${kind}"]`)]
        .every(e => !e.checkVisibility() || e.querySelector(marks));  // (a tab that is not open draws nothing)
    if (!drawn('stVegaLiteChart', 'canvas, svg.marks') || !drawn('stDataFrame', 'canvas')) return false;
    return !word || new RegExp(word).test(document.querySelector('[data-testid="stMain"]').textContent);
}"""
_IDLE = "() => new Promise(done => requestIdleCallback(() => requestAnimationFrame(() => requestIdleCallback(() => done()))))"


@dataclass
class Case:
    """A store as people open it, and how long they waited."""

    name: str
    store: Path
    address: str = ""
    """The query string, where it is not the selection that the app begins with."""
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def note(self, act: str, taken: float) -> None:
        """Add one measurement."""
        self.seconds.setdefault(act, []).append(taken)


def wait(page: Page, title: str, word: str = "") -> None:
    """Until the app rests on a page, all its charts are drawn, and (where one is wanted) a word stands on it."""
    page.wait_for_function(_RESTS, arg=[title, word], polling="raf", timeout=_PATIENCE_MS)
    page.evaluate(_IDLE)


def go(page: Page, name: str) -> None:
    """Click the page's name in the navigation."""
    page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()


def timed(act: Callable[[], object], page: Page, title: str, word: str = "") -> float:
    """Seconds from an act of the user's to the page at rest."""
    begin = time.perf_counter()
    act()
    wait(page, title, word)
    return time.perf_counter() - begin


def once(browser: Browser, case: Case, stops: list[int]) -> None:
    """One fresh server: start, go through all pages twice, move the cursor of a page to one of `stops`."""
    begin = time.perf_counter()
    with app(case.store, None) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        visit(page, f"{address}/{_FIRST.lower()}{case.address}", settle_ms=0)
        wait(page, PAGES[_FIRST])
        case.note("cold start", time.perf_counter() - begin)
        others = [name for name in PAGES if name != _FIRST]
        for round_, name in chain((("first", n) for n in others), (("switch", n) for n in [_FIRST, *others])):
            case.note(f"{round_} {name}", timed(partial(go, page, name), page, PAGES[name]))
        for name in _MOVED:
            go(page, name)
            wait(page, PAGES[name])
            move_cursor(page, case, name, stops)
        context.close()


def move_cursor(page: Page, case: Case, name: str, stops: list[int]) -> None:
    """By one epoch, to a measured one that nobody has looked at yet; the way there from the beginning is not timed."""
    slider = page.get_by_role("slider").first
    slider.press("Home")
    wait(page, PAGES[name], r"at epoch 0\b")
    stop = stops[len(case.seconds.get(f"cursor {name}", [])) % len(stops)]

    for _step in range(stop - 1):
        slider.press("ArrowRight")
    page.wait_for_timeout(_SETTLED_MS)
    wait(page, PAGES[name])
    case.note(f"cursor {name}", timed(lambda: slider.press("ArrowRight"), page, PAGES[name], rf"at epoch {stop}\b"))


def common_stops(cases: list[Case], most: int) -> list[int]:
    """The first epochs after initialisation that every run of every store was measured at."""
    measured = []
    for store in {case.store for case in cases}:
        reader = StoreReader(store)
        epochs = reader.metrics.measured_epochs(list(reader.runs.all()["run_id"]))
        measured += [set(part) for _run, part in epochs.groupby("run_id")["epoch"]]
    return sorted(set.intersection(*measured) - {0})[:most]


def rows(cases: list[Case]) -> list[dict]:
    """The median and the 95th percentile of each act, in seconds, and how often slower than in the first case."""
    found = []
    for act in cases[0].seconds:
        base = float(np.median(cases[0].seconds[act]))
        for case in cases:
            taken = case.seconds[act]
            median, late = float(np.median(taken)), float(np.percentile(taken, 95))
            row = {"act": act, "case": case.name, "median_s": median, "p95_s": late, "ratio": median / base}
            found.append(row | {"seconds": taken})
    return found


def table(found: dict) -> str:
    """The result as people read it."""
    lines = [header(found["machine"], found["settings"])]
    lines.append(f"{'':<20} {'':<16} {'median s':>9} {'p95 s':>9} {'x first':>8}")
    for row in found["rows"]:
        lines.append(
            f"{row['act']:<20} {row['case']:<16} {row['median_s']:>9.2f} {row['p95_s']:>9.2f} {row['ratio']:>8.2f}"
        )
    return "\n".join(lines) + "\n"


def made(folder: Path, name: str, *command: str) -> Path:
    """A store made by a command of ours."""
    store = folder / name / "rnc.duckdb"
    subprocess.run([sys.executable, "-m", *command, "--store", str(store)], check=True)
    return store


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path, help="the demo's store (default: trained first)")
    parser.add_argument("--large", type=Path, help="the large store (default: made up first, 150 runs x 400 epochs)")
    parser.add_argument("--runs", type=int, default=12, help="runs of the large store chosen by address (default 12)")
    parser.add_argument("--repeats", type=int, default=7, help="fresh servers a store (default 7)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    given = parser.parse_args(arguments)
    if min(given.repeats, given.runs) < 1:
        parser.error("--repeats and --runs must be at least 1")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        demo = given.demo or made(Path(folder), "demo", "train.run", "demo")
        large = given.large or made(Path(folder), "large", "tests.benchmarks.synthetic", "150", "--epochs", "400")
        chosen = list(StoreReader(large).runs.all()["run_id"])[-given.runs :]
        many = Case(f"large, {given.runs} runs", large, "?" + urlencode({"runs": chosen}, doseq=True))
        cases = [Case("demo", demo), Case("large", large), many]
        stops = common_stops(cases, given.repeats)
        described = machine(torch.device("cpu"))
        for _repeat in range(given.repeats):
            for case in cases:
                once(browser, case, stops)
    settings = {"repeats": given.repeats}
    settings |= {case.name: f"{case.store.stat().st_size / 1e6:.0f} MB" for case in cases[:2]}
    found = {"machine": described, "settings": settings, "rows": rows(cases)}
    sys.stdout.write(table(found))
    write_json(found, given.json)


if __name__ == "__main__":
    main()
