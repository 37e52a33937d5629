"""A real training beside an open page: its charts gain epochs without a hand, and when it has ended the page rests."""

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from rnc.store.reader import StoreReader
from tests.browser.conftest import ROOT, ScriptRuns, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EPOCHS = 500  # (more than anybody waits for: it is stopped once the page has been seen to follow)
POLLS_AT_REST = 4  # a second apart
PATIENCE_MS = 400_000  # for the first epoch, and for three more: at a load of 18 on two cores, they took 40 s each

MARKS = "svg.marks .mark-symbol.role-mark:not(.epochs_marks, .dots_marks) > path[d*='A']"
"""The points of a chart's lines: circles, and not the triangle at which a long training on a busy machine becomes terminal."""
WATCH = """marks => {
    window.points = []
    setInterval(() => {
        const live = /epoch \\d+ of /.test(document.body.innerText)
        const chart = document.querySelector("[data-testid=stVegaLiteChart]")
        const count = chart ? chart.querySelectorAll(marks).length : 0
        if (live && count && window.points.at(-1) !== count) window.points.push(count)
    }, 100)
}"""
"""Notes how many points the first chart has while a training shows its progress."""


@contextmanager
def training(store: Path) -> Iterator[subprocess.Popen]:
    """A small training on digits in a process of its own, every epoch measured."""
    fields = ["--epochs", str(EPOCHS), "--measured-epochs", "every", "--sample-size", "20", "--subset", "400"]
    fields += ["--measure-subset", "200", "--epsilon-fractions", "--layerwise-epochs", "none"]
    command = [sys.executable, "-m", "train.run", "tiny", "--store", str(store), *fields]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()


def test_charts_follow_a_training_and_rest_when_it_has_ended(
    tmp_path: Path, serve: Callable[[Path], str], page: Page
) -> None:
    """From an empty store on, and no click until all is over."""
    runs, store = ScriptRuns(page), tmp_path / "rnc.duckdb"
    visit(page, serve(store) + "/collapse")
    expect(page.get_by_role("heading", level=1)).to_have_text("No measurements yet")
    page.evaluate(WATCH, MARKS)
    with training(store) as process:
        expect(page.get_by_role("heading", level=1)).to_have_text("Collapse over epochs", timeout=PATIENCE_MS)
        page.wait_for_function(
            "window.points.length > 3 || !window.points.every((n, i, all) => !i || n > all[i - 1])", timeout=PATIENCE_MS
        )
        points = page.evaluate("window.points")
        assert points == sorted(points), "the chart gains epochs while they are trained"
        process.terminate()
        while process.poll() is None:
            page.wait_for_timeout(100)
    ended = runs.whole
    last = int(StoreReader(store).metrics.measured_epochs(list(StoreReader(store).runs.all()["run_id"]))["epoch"].max())
    expect(page.get_by_text(f"marks the selected epoch ({last})")).to_be_visible()
    runs.wait_until(lambda: runs.fragments_since >= POLLS_AT_REST or runs.whole > ended + 2)
    assert runs.whole <= ended + 2, "the last epoch, and that the training has ended, are all that there was to show"
    assert page.get_by_text(re.compile(r"epoch \d+ of ")).count() == 0

    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    rows = pd.read_csv(io.BytesIO(download.value.path().read_bytes()))
    assert sorted(rows["epoch"].unique()) == list(range(last + 1))
    assert page.locator("[data-testid=stVegaLiteChart]").first.locator(MARKS).count() == len(rows)
