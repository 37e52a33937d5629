"""Where the seconds of a run go: attack, step, measurement, store: `python -m tests.benchmarks.epoch_split`.

A real run on digits, measured every epoch; what each part takes is clocked around the functions that do it. `measurement
in epochs` is what a full measurement (seven conditions, every stage, both splits) costs in epochs of training; the last
column says how many epochs of a 400-epoch run are measured by default.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import train.epoch
from rnc.store.writer import StoreWriter
from rnc.vocabulary import Objective
from tests.benchmarks.results import Report, arguments
from train.config import RunConfig
from train.epoch import Trainer
from train.loop import Options, train_run
from train.probe import Probe

_PARTS = {"attack": (train.epoch, "training_images"), "epoch": (Trainer, "train_epoch")}
_PARTS |= {"measurement": (Probe, "measure"), "store": (StoreWriter, "write_epoch")}


@contextmanager
def clocks() -> Iterator[dict[str, list[float]]]:
    """CPU seconds of every call of the parts, by name, within the block."""
    taken: dict[str, list[float]] = defaultdict(list)
    originals = {name: getattr(owner, attribute) for name, (owner, attribute) in _PARTS.items()}

    def clocked(name: str, act: Callable) -> Callable:
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.process_time()
            try:
                return act(*args, **kwargs)
            finally:
                taken[name].append(time.process_time() - begin)

        return timed

    for name, (owner, attribute) in _PARTS.items():
        setattr(owner, attribute, clocked(name, originals[name]))
    try:
        yield taken
    finally:
        for name, (owner, attribute) in _PARTS.items():
            setattr(owner, attribute, originals[name])


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
        with tempfile.TemporaryDirectory() as folder, clocks() as taken:
            train_run(config, Options(Path(folder) / "store.duckdb", threads=given.threads))
        epoch, measurement, store = (statistics.median(taken[name]) for name in ("epoch", "measurement", "store"))
        attack = sum(taken["attack"]) / given.epochs
        report.add(
            objective=str(objective), **{"attack s": attack, "step s": epoch - attack, "measurement s": measurement},
            **{"store s": store, "measurement in epochs": measurement / epoch},
            **{"measured of 400 epochs": len(replace(config, epochs=400, measured_epochs="log").measured_at())},
        )  # fmt: skip
    report.write(given.json)


if __name__ == "__main__":
    main()
