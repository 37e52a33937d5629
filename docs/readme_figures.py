"""Make the README's table of the demo, from the recorded trainings, and its pictures, from a store: `make readme-figures`.

`python docs/readme_figures.py STORE --add PROCESSOR` adds the demo in a store to the recorded trainings, docs/demo_trainings.csv.
The same seed gives other numbers on another processor: instructions such as AVX2 and AVX-512 add in another order, and so the
rounding differs. PROCESSOR names these instructions.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.tools import ROOT, app, chromium, fill, table, visit
from rnc.store.reader import StoreReader
from rnc.vocabulary import Metric, Objective, Split

PICTURES = {
    "findings-light.png": ("", "light"),
    "collapse-light.png": ("collapse", "light"),
    "projections-dark.png": ("projections", "dark"),
}
MOMENTS = {"film-1.png": (1, 0), "film-2.png": ("last", 0), "film-3.png": ("last", 1)}
"""The epoch and the share of the attack of each frame of the film."""
OBJECTIVES = (Objective.ST, Objective.AT, Objective.TRADES)
TRAININGS = ROOT / "docs" / "demo_trainings.csv"
MARGIN = 0.5
"""The share of a range's width by which another training may lie outside it, on either side."""


class Column(NamedTuple):
    """A column of the table: its title, the format of its numbers, and what it shows."""

    head: str
    text: str
    least_margin: float
    """Least distance by which another training may lie outside the range, as where all recorded ones are equal."""
    split: Split
    condition: str
    metric: Metric
    means: str = "own"


COLUMNS = {
    "accuracy_clean_train": Column(
        "accuracy, clean train images", "{:.1%}", 0.005, Split.TRAIN, "clean", Metric.ACCURACY
    ),
    "accuracy_pgd_test": Column(
        "accuracy, test images under PGD", "{:.1%}", 0.005, Split.TEST, "perturbed", Metric.ACCURACY
    ),
    "nc1_clean_train": Column("NC1, clean train images", "{:.2f}", 0.01, Split.TRAIN, "clean", Metric.NC1),
    "nc1_pgd_train": Column("NC1, train images under PGD", "{:.2f}", 0.01, Split.TRAIN, "perturbed", Metric.NC1),
    "angle_pgd_train": Column(
        "angle by which PGD turns the class means, train (rad)",
        "{:.2f}",
        0.01,
        Split.TRAIN,
        "perturbed",
        Metric.ANGLE,
        "clean",
    ),
}

SEEK = """([epoch, share]) => {
    const host = [...document.querySelectorAll("*")].find((e) => e.shadowRoot?.querySelector(".film"));
    const { player } = host.shadowRoot.querySelector(".film");
    player.seek(epoch === "last" ? player.last : epoch, share);
    player.drawNow();
}"""


def rows_of_demo(reader: StoreReader) -> pd.DataFrame:
    """Return the numbers of a store's demo at its last epoch: one row per objective, with its seed and the columns of COLUMNS."""
    runs = reader.runs.all().drop_duplicates("objective").set_index("objective")
    last = {split: reader.metrics.last_values([Metric.NC1, Metric.ANGLE, Metric.ACCURACY], split) for split in Split}
    rows = []
    for objective in OBJECTIVES:
        run_id = runs.loc[str(objective), "run_id"]
        found = {name: value(last[c.split], run_id, c.condition, c.metric, c.means) for name, c in COLUMNS.items()}
        rows.append({"seed": int(runs.loc[str(objective), "seed"]), "objective": str(objective), **found})
    return pd.DataFrame(rows)


def ranges(trainings: pd.DataFrame) -> pd.DataFrame:
    """Return objective, column, low, high: the smallest and the largest value of all trainings of the demo."""
    long = trainings.melt("objective", list(COLUMNS), "column")
    return long.groupby(["objective", "column"])["value"].agg(low="min", high="max").reset_index()


def outside(found: pd.DataFrame, trainings: pd.DataFrame) -> pd.DataFrame:
    """Return the values of a trained demo (`rows_of_demo`) that lie outside the ranges by more than their margins."""
    values = found.melt("objective", list(COLUMNS), "column").merge(ranges(trainings), on=["objective", "column"])
    least = values["column"].map({name: column.least_margin for name, column in COLUMNS.items()})
    margin = (MARGIN * (values["high"] - values["low"])).clip(lower=least)
    return values[(values["value"] < values["low"] - margin) | (values["value"] > values["high"] + margin)]


def numbers(trainings: pd.DataFrame) -> str:
    """Return a Markdown table of the ranges, and the settings of the demo."""
    known = ranges(trainings).set_index(["objective", "column"])
    rows = []
    for objective in OBJECTIVES:
        cells = [known.loc[(str(objective), name)] for name in COLUMNS]
        spans = zip(COLUMNS.values(), cells, strict=True)
        rows.append([objective.upper(), *(span(cell["low"], cell["high"], column.text) for column, cell in spans)])
    return table(["run", *(column.head for column in COLUMNS.values())], rows)


def span(low: float, high: float, text: str) -> str:
    """Return a range as text, or one number if both ends are written alike."""
    first, last = text.format(low), text.format(high)
    return first if first == last else f"{first} to {last}"


def add(store: Path, processor: str) -> None:
    """Add the demo of a store to the recorded trainings, or replace that of the same seed on the same kind of processor."""
    found = rows_of_demo(StoreReader(store)).assign(processor=processor)
    before = pd.read_csv(TRAININGS) if TRAININGS.exists() else found.head(0)
    names = ["processor", "seed", "objective"]
    both = pd.concat([before, found]).drop_duplicates(names, keep="last").sort_values(names)
    both[[*names, *COLUMNS]].to_csv(TRAININGS, index=False, float_format="%.6g")


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


def main(arguments: list[str]) -> None:
    """Add a store's demo to the recorded trainings, or rewrite the README's table in place and its pictures."""
    store = Path(arguments[0]).resolve()
    if arguments[1:2] == ["--add"]:
        add(store, arguments[2])
    fill(ROOT / "README.md", "demo numbers", numbers(pd.read_csv(TRAININGS)))
    if len(arguments) == 1:
        take_pictures(store)


if __name__ == "__main__":
    main(sys.argv[1:])
