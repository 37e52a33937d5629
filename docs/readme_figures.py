"""Every number and picture of the README, from a store that holds the demo: `make readme-figures`."""

import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pandas as pd
from playwright.sync_api import Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rnc.store.reader import StoreReader  # noqa: E402  (the checkout is not installed)
from rnc.vocabulary import Metric, Objective, Split  # noqa: E402

PICTURES = {"collapse-light.png": ("collapse", "light"), "projections-dark.png": ("projections", "dark")}
SHOWN = (Objective.ST, Objective.AT, Objective.TRADES)


def numbers(reader: StoreReader) -> str:
    """A Markdown table of the demo's last epoch."""
    runs = reader.runs().drop_duplicates("objective").set_index("objective")
    train = reader.last_values([Metric.NC1, Metric.ANGLE, Metric.ACCURACY], Split.TRAIN)
    test = reader.last_values([Metric.ACCURACY], Split.TEST)
    lines = [
        "| run | train accuracy | PGD test accuracy | NC1 clean | NC1 perturbed | angle clean to perturbed |",
        "|---|---|---|---|---|---|",
    ]
    for objective in SHOWN:
        run_id = runs.loc[str(objective), "run_id"]
        lines.append(
            f"| {objective.upper()} | {_value(train, run_id, 'clean', Metric.ACCURACY):.1%} "
            f"| {_value(test, run_id, 'perturbed', Metric.ACCURACY):.1%} "
            f"| {_value(train, run_id, 'clean', Metric.NC1):.3f} | {_value(train, run_id, 'perturbed', Metric.NC1):.3f} "
            f"| {_value(train, run_id, 'perturbed', Metric.ANGLE, 'clean'):.2f} rad |"
        )
    config = runs.loc[str(Objective.ST)]
    attack = f"{config['norm']}, epsilon {config['epsilon']:g}, {config['steps']} PGD steps, {config['epochs']} epochs"
    return "\n".join([*lines, "", f"Digits, {attack}, seed {config['seed']}."])


def _value(values: pd.DataFrame, run_id: str, shown: str, metric: Metric, means: str = "own") -> float:
    chosen = (values["run_id"] == run_id) & (values["shown"] == shown) & (values["metric"] == metric)
    return float(values[chosen & (values["means"] == means)]["value"].iloc[0])


def take_pictures(store: Path) -> None:
    """Screenshots of the real app on the store, 1440 x 900."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"RNC_STORE": str(store)})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, (page, scheme) in PICTURES.items():
                context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
                _picture(context.new_page(), f"http://localhost:{port}/{page}", ROOT / "docs" / "images" / name)
    finally:
        server.terminate()


def _picture(page: Page, address: str, path: Path) -> None:
    for _attempt in range(240):
        try:
            page.goto(address)
            break
        except Error:
            page.wait_for_timeout(250)
    page.wait_for_selector("canvas, svg.marks", timeout=60_000)
    page.wait_for_timeout(4_000)
    page.screenshot(path=path)


def main(store: Path) -> None:
    """Rewrite the README's table in place, and its pictures."""
    readme = ROOT / "README.md"
    table = f"<!-- demo numbers -->\n{numbers(StoreReader(store))}\n<!-- end -->"
    readme.write_text(re.sub(r"<!-- demo numbers -->.*?<!-- end -->", lambda _m: table, readme.read_text(), flags=re.S))
    take_pictures(store)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
