"""Pictures a second of the film, and the way to its first one: `python -m tests.benchmarks.film`.

Stores of one run with 60 states (10 epochs of 6 states: clean, the attack's start, three steps, perturbed) and 64 features, in
the real server and a Chromium that draws in software (`--browser` chooses). For every number of samples: seconds from opening the
page, on a server that has shown another one, to the first picture; the same once more; bytes of the files; and pictures a second
while the film plays and while the picture is turned in three dimensions, each for some seconds, with WebGL and without.

Not a test: nothing is asserted about time, and pytest does not collect it. Compare two results of the same machine only.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Browser, Error, Page, sync_playwright

from docs.tools import app
from rnc.conditions import CLEAN, Condition
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import ConditionKind, Norm, Role, RunState
from tests.benchmarks.machine import machine
from tests.benchmarks.results import write_json

SAMPLES = (500, 5_000, 50_000)
_EPOCHS, _STEPS, _FEATURES, _CLASSES = (0, 1, 2, 3, 5, 10, 20, 40, 80, 160), (0, 1, 2, 5), 64, 10
_PGD = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10)
_SECONDS = 5.0
_SWIFTSHADER = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
BROWSERS = {
    "software": [*_SWIFTSHADER, "--disable-gpu-compositing"],
    "swiftshader": _SWIFTSHADER,
    "hardware": [],
}
"""Flags of the browser: WebGL in software on a page that the processor composes, as on a machine without a graphics card; all of
the page by SwiftShader; or what the browser chooses."""
PLAYER = """() => [...document.querySelectorAll('*')].find((e) => e.shadowRoot?.querySelector('.film'))
    ?.shadowRoot.querySelector('.film').player"""


def make(path: Path, samples: int) -> None:
    """Write a store of one run whose classes collapse towards a simplex, and which an attack moves to the next class."""
    numbers = np.random.default_rng(0)
    config = {
        "dataset": "cifar10", "model": "none", "objective": "st", "norm": "linf", "epsilon": 8 / 255, "seed": 1, "epochs": 160,
        "umap": False, "width": 1.0, "subset": 0,
    }  # fmt: skip
    provenance = {
        "device": "cpu", "execution": "", "data": {}, "threads": 1, "host": "", "git_commit": "", "versions": {},
    }  # fmt: skip
    writer = StoreWriter(path)
    names = [f"class {label}" for label in range(_CLASSES)]
    writer.begin_run("film", config, names, provenance, [(Role.CLEAN, CLEAN), (Role.PERTURBED, _PGD)])
    labels, indices = np.arange(samples) % _CLASSES, np.arange(samples)
    directions = 5 * np.eye(_CLASSES, _FEATURES)
    spread = numbers.standard_normal((samples, _FEATURES)).astype(np.float32)
    for place, epoch in enumerate(_EPOCHS):
        rows, key = Rows(), {"run_id": "film", "epoch": epoch, "split": "train"}
        clean = (directions[labels] * place / len(_EPOCHS) + spread / (1 + place)).astype(np.float32)
        moved = (directions[(labels + 1) % _CLASSES] - directions[labels]).astype(np.float32)
        for condition, share in ((CLEAN, 0.0), (_PGD, 1.0)):
            common = key | {"condition": condition.slug}
            rows.add("feature", **common, sample=indices, label=labels, predicted=labels, vector=clean + share * moved)
            means = np.stack([(clean + share * moved)[labels == label].mean(axis=0) for label in range(_CLASSES)])
            rows.add("class_mean", **common, layer="features", **{"class": np.arange(_CLASSES)}, vector=means)
            metric = {"means_split": "train", "means_condition": condition.slug, "layer": "features"}
            rows.add("metric", **common, **metric, metric=["nc1"], value=[1.0])
        for step in _STEPS:
            at = key | {"condition": _PGD.slug, "step": step}
            rows.add("attack_path", **at, sample=indices, predicted=labels, vector=clean + (step + 1) / 11 * moved)
        rows.add("classifier", **{k: key[k] for k in ("run_id", "epoch")}, **{"class": np.arange(_CLASSES)},
                 vector=directions.astype(np.float32), bias=np.zeros(_CLASSES))  # fmt: skip
        writer.write_epoch("film", epoch, rows)
    writer.end_run("film", RunState.FINISHED, 1.0)


def pictures_a_second(page: Page, seconds: float, act: str) -> float:
    """Return how many pictures a second the player draws; `act` is run before each, and turns or plays it."""
    script = f"""async (seconds) => {{
        const player = ({PLAYER})(), began = performance.now();
        let count = 0;
        while (performance.now() - began < 1000 * seconds) {{
            {act}
            await new Promise((resolve) => requestAnimationFrame(resolve));
            const gl = player.panes[0].renderer.gl;
            if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits for what was drawn
            count++;
        }}
        return (1000 * count) / (performance.now() - began);
    }}"""
    return float(page.evaluate(script, seconds))


def measure(browser: Browser, address: str, seconds: float) -> dict[str, Any]:
    """Measure one film in a new visitor's browser."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: int(answer.headers.get("content-length", 0))}))
    _goto(page, f"{address}/collapse")
    page.wait_for_selector("[data-testid='stVegaLiteChart']", timeout=300_000)
    shown = "player?.panes.every((pane) => pane.film?.view) && player.frames > 0"
    ready = f"() => {{ const player = ({PLAYER})(); return {shown}; }}"
    found: dict[str, Any] = {}
    for name in ("first picture (s)", "again (s)"):
        began = time.perf_counter()
        page.goto(f"{address}/film?all_samples=true")
        page.wait_for_function(ready, timeout=300_000)
        found[name] = round(time.perf_counter() - began, 2)
    found["states (kB)"] = round(sum(size for url, size in sizes.items() if url.endswith("/states")) / 1000)
    found["positions (kB)"] = round(sum(size for url, size in sizes.items() if "/view/" in url) / 1000)
    found["renderer"] = page.evaluate(f"() => ({PLAYER})().panes[0].renderer.kind")
    play = "player.settings.time = ((performance.now() - began) / 8000) % 1; player.drawNow();"
    turn = "player.settings.solid = true; player.panes[0].camera.turnBy(0.02, 0.005); player.drawNow();"
    for suffix, prepare in (("", ""), (", plain canvas", "player.panes.forEach((pane) => pane.drawPlainly());")):
        page.evaluate(f"() => {{ const player = ({PLAYER})(); {prepare} }}")
        found[f"playing (1/s){suffix}"] = round(pictures_a_second(page, seconds, play), 1)
        found[f"turning (1/s){suffix}"] = round(pictures_a_second(page, seconds, turn), 1)
    page.close()
    return found


def _goto(page: Page, address: str) -> None:
    """Go to an address as soon as its server answers."""
    for _attempt in range(600):
        try:
            page.goto(address)
            return
        except Error:
            page.wait_for_timeout(100)


def main(arguments: list[str] | None = None) -> None:
    """Measure, print a line for each number of samples, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=SAMPLES)
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="duration of each measurement")
    parser.add_argument(
        "--browser", choices=list(BROWSERS), default="software", help="how the browser draws (default software)"
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    given = parser.parse_args(arguments)
    path = next(found for name in ("chromium", "google-chrome", "chromium-browser") if (found := shutil.which(name)))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking", *BROWSERS[given.browser]]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        for samples in given.samples:
            store = Path(folder) / f"{samples}.duckdb"
            make(store, samples)
            with app(store, "") as address:
                rows.append({"samples": samples, **measure(browser, address, given.seconds)})
            sys.stdout.write(f"{json.dumps(rows[-1])}\n")
    settings = {"seconds": given.seconds, "states": 6 * len(_EPOCHS), "features": _FEATURES, "browser": given.browser}
    write_json({"machine": machine(torch.device("cpu")), "settings": settings, "rows": rows}, given.json)


if __name__ == "__main__":
    sys.exit(main())
