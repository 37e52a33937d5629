"""Writing and reading the store against the plain ways: `python -m tests.benchmarks.store`.

Written is a measured epoch of made-up rows, with vectors. `rows` inserts them one by one by `executemany`, as people do.
Read are the curves of two runs of many. `whole` takes the whole table to pandas and picks there. Then how writing an epoch
grows with what the store holds already.
"""

import tempfile
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import torch

from rnc.conditions import CLEAN
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import FEATURES_LAYER, Metric, Role, Split
from tests.benchmarks.results import Report, arguments, exponent, in_turn

_CONDITIONS, _LAYERS, _SAMPLES, _D = 7, 8, 500, 64


def epoch_of(run_id: str, epoch: int) -> Rows:
    """About what a run of a small network writes of a measured epoch."""
    rows, rng = Rows(), np.random.default_rng(epoch)
    for split in Split:
        spot = {"run_id": run_id, "epoch": epoch, "split": split, "condition": CLEAN.slug}
        around = {"means_split": split, "means_condition": CLEAN.slug}
        for _condition in range(_CONDITIONS):
            for layer in (FEATURES_LAYER, *(f"stage{k}" for k in range(_LAYERS))):
                names = [str(metric) for metric in Metric]
                rows.add("metric", **spot, **around, layer=layer, metric=names, value=rng.random(len(names)))
            samples = np.arange(_SAMPLES)
            vectors = {"vector": rng.random((_SAMPLES, _D)), "label": samples % 10, "predicted": samples % 10}
            rows.add("feature", **spot, sample=samples, **vectors)
    return rows


def by_rows(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    """One INSERT a row."""
    for table, content in rows.tables().items():
        names = content.column_names
        values = [tuple(row[name] for name in names) for row in content.to_pylist()]
        holes = ", ".join("?" * len(names))
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({holes})", values)


def write(report: Report, folder: Path, repeats: int) -> None:
    """A row of the two ways to write."""
    writers = {name: begun(folder / f"{name}.duckdb", ["run"]) for name in ("ours", "rows")}
    epochs = iter(range(1_000_000))

    def rows_way() -> None:
        with writing(writers["rows"].path) as connection:
            by_rows(connection, epoch_of("run", next(epochs)))

    def our_way() -> None:
        epoch = next(epochs)
        writers["ours"].write_epoch("run", epoch, epoch_of("run", epoch))

    making = partial(epoch_of, "run", 0)
    taken = in_turn({"ours": our_way, "rows": rows_way, "making the rows": making}, repeats)
    ours, rows = (taken[name] - taken["making the rows"] for name in ("ours", "rows"))
    count = sum(len(content) for content in epoch_of("run", 0).tables().values())
    report.add(what="write an epoch", rows=count, **{"ours s": ours, "rows s": rows, "rows / ours": rows / ours})


def read(report: Report, folder: Path, repeats: int, runs: int, epochs: int) -> None:
    """A row of the two ways to read, and one of how writing grows with what is there."""
    run_ids = [f"run{k}" for k in range(runs)]
    writer = begun(folder / "read.duckdb", run_ids)
    sizes, costs = [], []
    for epoch in range(epochs):
        for run_id in run_ids:
            rows = epoch_of(run_id, epoch)
            taken = in_turn({"write": _once(partial(writer.write_epoch, run_id, epoch, rows))}, 1)
            sizes.append(len(sizes) + 1.0)
            costs.append(taken["write"])
    chosen, condition = run_ids[:2], [str(Role.CLEAN)]

    def ours() -> None:  # (a new reader: nothing is cached)
        StoreReader(writer.path).metrics.curves(chosen, condition, Split.TRAIN, [Metric.NC1])

    def whole() -> None:
        with reading(writer.path) as connection:
            found = connection.execute("SELECT * FROM metric").df()
        found[found["run_id"].isin(chosen) & (found["metric"] == Metric.NC1) & (found["split"] == Split.TRAIN)]

    taken = in_turn({"ours": ours, "whole": whole}, repeats)
    report.add(
        what="read two runs' curves", rows=len(sizes) * len(Metric) * (_LAYERS + 1) * _CONDITIONS * 2,
        **{f"{name} s": value for name, value in taken.items()}, **{"whole / ours": taken["whole"] / taken["ours"]},
    )  # fmt: skip
    skip = len(sizes) // 4
    grown = {"first s": float(np.median(costs[:skip])), "last s": float(np.median(costs[-skip:]))}
    report.add(what="write grows with epochs there", epochs=len(sizes), **grown, exponent=exponent(sizes, costs))


def _once(act: partial) -> partial:
    """The act at its second call: an epoch can be written once, and the first call of `in_turn` warms up."""
    calls = iter((lambda: None, act))
    return partial(lambda: next(calls)())


def begun(path: Path, run_ids: list[str]) -> StoreWriter:
    """A store with these runs entered."""
    writer = StoreWriter(path)
    about = {"device": "cpu", "execution": "", "data": {}, "threads": 1, "host": "", "git_commit": "", "versions": {}}
    for run_id in run_ids:
        writer.begin_run(run_id, {"epochs": 1}, ["a"], about, [(Role.CLEAN, CLEAN)])
    return writer


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    report = Report("the store", {"repeats": given.repeats, "runs": given.runs, "epochs": given.epochs})
    with tempfile.TemporaryDirectory() as folder:
        write(report, Path(folder), given.repeats)
        read(report, Path(folder), given.repeats, given.runs, given.epochs)
    report.write(given.json)


if __name__ == "__main__":
    main()
