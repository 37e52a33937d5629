"""Time to draw a map by the number of samples on it: `python -m tests.benchmarks.maps`.

A store of one run with 20,000 samples of CIFAR's shape (random images, which nothing makes smaller), in the real server and a
headless Chromium. From the collapse page, where the app was opened, to the map of 5,000 samples with their images, which is how
it is drawn at first; a toggle (without arrows; without images; all 20,000, which have no images), and as it then is, a return
to the map and a box over it. Each from the click to the page at rest, all charts drawn; servers are fresh.

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, Error, FloatRect, Page

from docs.tools import app, chromium
from rnc import datasets
from rnc.conditions import CLEAN, Condition
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import ConditionKind, Norm, Role, Split
from tests.benchmarks.machine import machine
from tests.benchmarks.pages import PAGES, Case, go, rows, table, timed, wait
from tests.benchmarks.results import write_json
from tests.synthetic_images import write_parquet

_SAMPLES, _CLASSES, _FEATURES = 20_000, 10, 16
_TITLE = PAGES["Projections"]
_PGD = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10)
_DEFAULT = "5,000 of 20,000 samples"
_TOGGLES = {"Arrows from clean": _DEFAULT, "Images on hover": _DEFAULT, "All samples": " 20,000 samples"}
"""By what they are called: how many samples stand on the page once they were clicked."""
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def make(folder: Path, data: Path | None) -> Path:
    """The store, and the data set beside it where CIFAR-10 is not in `data`."""
    numbers = np.random.default_rng(0)
    if data is None:
        pictures = numbers.integers(256, size=(_SAMPLES, 3, 32, 32), dtype=np.uint8)
        write_parquet(folder, "cifar10", Split.TRAIN, pictures, np.arange(_SAMPLES) % _CLASSES)
    labels = datasets.load_subset("cifar10", Split.TRAIN, np.arange(_SAMPLES), data or folder).labels
    config = {
        "dataset": "cifar10", "model": "none", "objective": "st", "norm": "linf", "epsilon": 8 / 255, "seed": 1, "epochs": 1,
        "umap": False, "width": 1.0, "subset": 0,
    }  # fmt: skip
    provenance = {
        "device": "cpu",
        "execution": "",
        "data": {},
        "threads": 1,
        "host": "",
        "git_commit": "",
        "versions": {},
    }
    store = folder / "rnc.duckdb"
    writer, found = StoreWriter(store), Rows()
    writer.begin_run("many", config, list(_NAMES), provenance, [(Role.CLEAN, CLEAN), (Role.PERTURBED, _PGD)])
    for shift, condition in ((0.0, CLEAN), (1.0, _PGD)):
        vectors = (numbers.normal(size=(_SAMPLES, _FEATURES)) + 3 * np.eye(_CLASSES, _FEATURES)[labels] + shift).astype(
            np.float32
        )
        spot = {"run_id": "many", "epoch": 1, "split": "train", "condition": condition.slug}
        sample = np.arange(_SAMPLES)
        found.add("feature", **spot, sample=sample, label=labels, predicted=labels, vector=vectors)
        found.add("projection", **spot, method="pca", sample=sample, coordinates=vectors[:, :2])
    own = {"means_split": "train", "means_condition": "clean", "layer": "features", "metric": "nc1", "value": 1.0}
    found.add("metric", run_id="many", epoch=1, split="train", condition="clean", **own)
    writer.write_epoch("many", 1, found)
    return store


def once(browser: Browser, case: Case, count: str) -> None:
    """A fresh server whose first chart was drawn: to the map, a toggle on it, away and back, and a box over its middle."""
    with app(case.store, "") as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        _open(page, f"{address}/collapse", "Collapse")
        case.note("first visit", timed(lambda: go(page, "Projections"), page, _TITLE, _DEFAULT))
        case.note("toggle", timed(lambda: _toggle(page, case.name), page, _TITLE, count))
        go(page, "Collapse")
        wait(page, PAGES["Collapse"])
        case.note("return", timed(lambda: go(page, "Projections"), page, _TITLE, count))
        area = _place_of_map(page)
        page.mouse.move(area["x"] + 0.45 * area["width"], area["y"] + 0.45 * area["height"])
        page.mouse.down()
        page.mouse.move(area["x"] + 0.55 * area["width"], area["y"] + 0.55 * area["height"], steps=3)
        case.note("box", timed(page.mouse.up, page, _TITLE, r"[\d,]+ samples? selected"))
        context.close()


def _place_of_map(page: Page) -> FloatRect:
    """Return where the map is, as soon as it has its size: before, a box would hold other samples, or none."""
    drawing = page.locator(".st-key-plane canvas, .st-key-plane svg.marks").first
    area = drawing.bounding_box()
    while area is None or (page.wait_for_timeout(200), drawing.bounding_box())[1] != area:
        area = drawing.bounding_box()
    return area


def _toggle(page: Page, name: str) -> None:
    page.get_by_text(name, exact=True).click()
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="running"]')


def _open(page: Page, address: str, title: str) -> None:
    for _attempt in range(600):
        try:
            page.goto(address)
            break
        except Error:
            page.wait_for_timeout(100)
    wait(page, PAGES[title])


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="fresh servers a case (default 5)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--data", type=Path, help="a folder with CIFAR-10, for its images in place of random ones")
    given = parser.parse_args(arguments)
    if given.repeats < 1:
        parser.error("--repeats must be at least 1")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        store = make(Path(folder), given.data)
        os.environ["RNC_DATA"] = str(given.data or folder)
        cases = [Case(toggle, store) for toggle in _TOGGLES]
        described = machine(torch.device("cpu"))
        for _repeat in range(given.repeats):
            for case in cases:
                once(browser, case, _TOGGLES[case.name])
        size = f"{store.stat().st_size / 1e6:.0f} MB"
    found = {
        "machine": described,
        "settings": {"repeats": given.repeats, "images": "CIFAR-10" if given.data else "random", "store": size},
        "rows": rows(cases),
    }
    sys.stdout.write(table(found))
    write_json(found, given.json)


if __name__ == "__main__":
    main()
