"""Make every number and picture of the README from a store that holds the demo: `make readme-figures`."""

import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.tools import ROOT, app, chromium, fill, table, visit
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Objective, Split

PICTURES = {"collapse-light.png": ("collapse", "light"), "projections-dark.png": ("projections", "dark")}
MOMENTS = {"film-1.png": (1, 0), "film-2.png": ("last", 0), "film-3.png": ("last", 1)}
"""The epoch and the share of the attack of each frame of the film."""
OBJECTIVES = (Objective.ST, Objective.AT, Objective.TRADES)

SEEK = """([epoch, share]) => {
    const host = [...document.querySelectorAll("*")].find((e) => e.shadowRoot?.querySelector(".film"));
    const { player } = host.shadowRoot.querySelector(".film");
    player.seek(epoch === "last" ? player.last : epoch, share);
    player.drawNow();
}"""


def numbers(reader: StoreReader) -> str:
    """Return a Markdown table of the demo's last epoch."""
    runs = reader.runs.all().drop_duplicates("objective").set_index("objective")
    train = reader.metrics.last_values([Metric.NC1, Metric.ANGLE, Metric.ACCURACY], Split.TRAIN)
    test = reader.metrics.last_values([Metric.ACCURACY], Split.TEST)
    rows = []
    for objective in OBJECTIVES:
        run_id = runs.loc[str(objective), "run_id"]
        rows.append(
            [
                objective.upper(),
                f"{value(train, run_id, 'clean', Metric.ACCURACY):.1%}",
                f"{value(test, run_id, 'perturbed', Metric.ACCURACY):.1%}",
                f"{value(train, run_id, 'clean', Metric.NC1):.3f}",
                f"{value(train, run_id, 'perturbed', Metric.NC1):.3f}",
                f"{value(train, run_id, 'perturbed', Metric.ANGLE, 'clean'):.2f} rad",
            ]
        )
    config = runs.loc[str(Objective.ST)]
    attack = f"{config['norm']}, epsilon {config['epsilon']:g}, {config['steps']} PGD steps, {config['epochs']} epochs"
    head = ["run", "train accuracy", "PGD test accuracy", "NC1 clean", "NC1 perturbed", "angle clean to perturbed"]
    return f"{table(head, rows)}\n\nDigits, {attack}, seed {config['seed']}."


def value(values: pd.DataFrame, run_id: str, condition: str, metric: Metric, means: str = "own") -> float:
    """Return one number of `reader.metrics.last_values`."""
    chosen = (values["run_id"] == run_id) & (values["shown"] == condition) & (values["metric"] == metric)
    return float(values[chosen & (values["means"] == means)]["value"].iloc[0])


def take_pictures(store: Path) -> None:
    """Save screenshots (1440 x 900) of the real app on the store."""
    with app(store, gallery="") as address, chromium() as browser:
        for name, (page, scheme) in PICTURES.items():
            context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
            tab = context.new_page()
            visit(tab, f"{address}/{page}")
            tab.screenshot(path=ROOT / "docs" / "images" / name)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        visit(tab, f"{address}/film")
        for name, (epoch, share) in MOMENTS.items():
            tab.evaluate(SEEK, [epoch, share])
            tab.locator(".film .panes").screenshot(path=ROOT / "docs" / "images" / name)


def main(store: Path) -> None:
    """Rewrite the README's table in place, and its pictures."""
    fill(ROOT / "README.md", "demo numbers", numbers(StoreReader(store)))
    take_pictures(store)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
