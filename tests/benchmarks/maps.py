"""How long a map takes to draw by the number of samples on it: `python -m tests.benchmarks.maps`.

A store of one run with 20,000 samples of CIFAR's shape (random images, which no PNG makes smaller), in the real server and a
headless Chromium: the page's first visit, one more, and a box over the map, with the 5,000 samples that are drawn at first,
without and with their images, and with all 20,000. From the act to the page at rest, all charts drawn; servers are fresh.

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, Error, Page

from docs.tools import app, chromium
from rnc.conditions import CLEAN, Condition
from rnc.store.rows import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import ConditionKind, Norm, Role, Split
from tests.benchmarks.machine import machine
from tests.benchmarks.pages import PAGES, Case, rows, table, timed, wait
from tests.benchmarks.results import write_json
from tests.synthetic_images import write_parquet

_SAMPLES, _CLASSES, _FEATURES = 20_000, 10, 16
_TITLE = PAGES["Projections"]
_PGD = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10)
_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def make(folder: Path) -> Path:
    """The store, and the data set beside it."""
    numbers = np.random.default_rng(0)
    labels = np.arange(_SAMPLES) % _CLASSES
    pictures = numbers.integers(256, size=(_SAMPLES, 3, 32, 32), dtype=np.uint8)
    write_parquet(folder, "cifar10", Split.TRAIN, pictures, labels)
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
    """A fresh server: the first visit, the second, and a box over the middle of the map."""
    with app(case.store, "") as address:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        _open(page, f"{address}/runs", "Runs")
        case.note("first visit", timed(lambda: page.goto(f"{address}/projections{case.address}"), page, _TITLE, count))
        case.note("second visit", timed(page.reload, page, _TITLE, count))
        area = page.locator(".st-key-plane canvas, .st-key-plane svg.marks").first.bounding_box()
        assert area
        page.mouse.move(area["x"] + 0.45 * area["width"], area["y"] + 0.45 * area["height"])
        page.mouse.down()
        page.mouse.move(area["x"] + 0.55 * area["width"], area["y"] + 0.55 * area["height"], steps=3)
        case.note("box", timed(page.mouse.up, page, _TITLE, r"[\d,]+ picked"))
        context.close()


def _open(page: Page, address: str, title: str) -> None:
    for _attempt in range(600):
        try:
            page.goto(address)
            break
        except Error:
            page.wait_for_timeout(100)
    wait(page, title)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="fresh servers a case (default 5)")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    given = parser.parse_args(arguments)
    if given.repeats < 1:
        parser.error("--repeats must be at least 1")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        store = make(Path(folder))
        os.environ["RNC_DATA"] = folder
        addresses = {"5,000": "?hover=false", "5,000 with images": "", "all 20,000": "?all_samples=true"}
        cases = [Case(name, store, address) for name, address in addresses.items()]
        described = machine(torch.device("cpu"))
        for _repeat in range(given.repeats):
            for case in cases:
                once(browser, case, " 20,000 samples" if "all" in case.name else "5,000 of 20,000 samples")
        size = f"{store.stat().st_size / 1e6:.0f} MB"
    found = {"machine": described, "settings": {"repeats": given.repeats, "store": size}, "rows": rows(cases)}
    sys.stdout.write(table(found))
    write_json(found, given.json)


if __name__ == "__main__":
    main()
