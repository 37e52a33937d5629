"""`python -m tests.faults.soak [--minutes 60] [--store FILE]`: does the server's memory grow while somebody clicks for an hour?

A real Chromium goes through all pages over and over, moves the epoch, and opens a new session every round. The exit code is 1
where an error was shown, or where the server's memory at the end is more than 10 % above that after a sixth of the time.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page

from docs.tools import chromium, served, visit
from tests.benchmarks.pages import PAGES, go, wait

_THINKING_MS = 1_000
_ALLOWED = 1.10
_SETTLED, _WINDOW = 1 / 6, 1 / 12
"""Where the memory is compared from, and over which share of the time readings are taken together."""


def memory(process: int) -> float:
    """MB that a process holds (Linux)."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found
    return int(found[1]) / 1e3


def clicks(browser: Browser, address: str) -> Iterator[tuple[Page, str]]:
    """Sessions without end; a (page, title) after each act, at rest."""
    while True:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        visit(page, f"{address}/collapse", settle_ms=0)
        for name, title in PAGES.items():
            go(page, name)
            wait(page, title)
            yield page, title
            sliders = page.get_by_test_id("stMain").get_by_role("slider")
            for key in ("ArrowLeft", "Home", "End") if sliders.count() else ():
                sliders.first.press(key)
                page.wait_for_timeout(_THINKING_MS)
                wait(page, title)
                yield page, title
        context.close()


def soak(store: Path, seconds: float) -> tuple[list[tuple[float, float]], list[str]]:
    """(seconds, MB) after each act, and the errors that were shown."""
    readings, errors = [], []
    with served(store, "") as (address, process), chromium() as browser:
        begin = time.monotonic()
        for page, _title in clicks(browser, address):
            readings.append((time.monotonic() - begin, memory(process)))
            shown = page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]')
            errors += shown.all_inner_texts()
            if readings[-1][0] > seconds:
                break
            page.wait_for_timeout(_THINKING_MS)
    return readings, errors


def around(readings: list[tuple[float, float]], begin: float, end: float) -> float:
    """The median of the readings between two moments."""
    return float(np.median([held for moment, held in readings if begin <= moment <= end]))


def main(arguments: list[str]) -> int:
    """Click for so long; 1 where the memory grew or an error was shown."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--log", type=Path, help="write moment and memory of each act to this file")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(shutil.copy(asked.store, folder))
        shutil.copytree(
            asked.store.resolve().parent / "checkpoints", store.parent / "checkpoints"
        )  # (the lab attacks them)
        readings, errors = soak(store, 60 * asked.minutes)
    if asked.log:
        asked.log.parent.mkdir(parents=True, exist_ok=True)
        asked.log.write_text("".join(f"{moment:.1f} s {held:.1f} MB\n" for moment, held in readings))
    last = readings[-1][0]
    settled = around(readings, _SETTLED * last, (_SETTLED + _WINDOW) * last)
    end = around(readings, (1 - _WINDOW) * last, last)
    sys.stdout.write(
        f"{len(readings)} acts in {last / 60:.0f} min; {len(errors)} errors shown {sorted(set(errors)) or ''}\n"
        f"{settled:.0f} MB after {_SETTLED * last / 60:.0f} min, {end:.0f} MB at the end: {end / settled:.2f} times\n"
    )
    return 0 if not errors and end <= _ALLOWED * settled else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
