"""Where the seconds of a run go: attack, step, measurement, store: `python -m tests.benchmarks.epoch_split`.

A real run on digits, measured every epoch; the seconds are those that runs record of themselves (table `epoch`).
`measurement in epochs` is what a full measurement (seven conditions, every stage, both splits) costs in epochs of training;
the last column says how many epochs of a 400-epoch run are measured by default.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from rnc.probe.store_and_device_options import Options
from rnc.store.reader import StoreReader
from rnc.vocabulary import Objective
from tests.benchmarks.results import Report, arguments
from train.config import RunConfig
from train.loop import train_run


def main() -> None:
    """Train, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args()
    report = Report("seconds of an epoch of the demo", {"epochs": given.epochs})
    for objective in (Objective.ST, Objective.AT, Objective.TRADES):
        config = RunConfig(
            objective=objective, epochs=given.epochs, umap=False, measured_epochs="every", layerwise_epochs="every"
        )
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store.duckdb"
            train_run(config, Options(store, threads=given.threads))
            costs = StoreReader(store).runs.total_costs(config.run_id).iloc[0] / given.epochs
        report.add(
            objective=str(objective), **{f"{part} s": costs[part] for part in ("attack", "step", "measurement", "store")},
            **{"measurement in epochs": costs["measurement"] / (costs["attack"] + costs["step"])},
            **{"measured of 400 epochs": len(replace(config, epochs=400, measured_epochs="log").measured_at())},
        )  # fmt: skip
    report.write(given.json)


if __name__ == "__main__":
    main()
