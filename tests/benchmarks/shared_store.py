"""Several writers and readers of one store, DuckDB file and DuckLake in one run: is anything lost, and what takes a commit.

`.venv-lake/bin/python -m tests.benchmarks.shared_store --seconds 300 [--json FILE]` starts 4 writer processes, each with a
run of its own, and 4 readers, for so long on each kind of store. A writer lands epoch after epoch (METRICS rows and VECTORS
vectors, then a heartbeat); a reader asks how far all are, and checks that no epoch is there in part. Of a commit's seconds,
those are waited that pass until the store is open and the writer's own.
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rnc.conditions import CLEAN
from rnc.store.addresses import store_path
from rnc.store.connection_per_transaction import reading
from rnc.store.file_store import FileStore
from rnc.store.lake_store import LakeStore
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.store import postgres
from tests.rnc.store.hand_written import add_metrics, begin

WRITERS, READERS = 4, 4
METRICS, VECTORS, SIZE = 40, 200, 64
_WHOLE = """SELECT m.run_id, m.epoch, m.metrics, v.vectors
    FROM (SELECT run_id, epoch, count(*) AS metrics FROM metric GROUP BY ALL) m
    FULL JOIN (SELECT run_id, epoch, count(*) AS vectors FROM class_mean GROUP BY ALL) v USING (run_id, epoch)"""


def epoch_rows(run_id: str, epoch: int) -> Rows:
    """Return the rows that one transaction writes."""
    rows = Rows()
    add_metrics(rows, run_id, epoch, "train", CLEAN, {f"m{i}": float(epoch) for i in range(METRICS)})
    spot = {"run_id": run_id, "epoch": epoch, "split": "train", "condition": "clean", "layer": "features"}
    rows.add("class_mean", **spot, **{"class": range(VECTORS)}, vector=np.full((VECTORS, SIZE), float(epoch)))
    return rows


class Waiting:
    """The seconds until `writing` had the store to itself: the lock of a file or of a lake; of this process."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for backend in (FileStore, LakeStore):
            backend.connect = self._timed(backend.connect)
            backend.write_lock = self._until_entered(backend.write_lock)

    def _timed(self, act: Any) -> Any:
        def timed(*arguments: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return act(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed

    def _until_entered(self, block: Any) -> Any:
        @contextmanager
        def entered(*arguments: Any) -> Iterator[None]:
            begin = time.perf_counter()
            with block(*arguments):
                self.seconds += time.perf_counter() - begin
                yield

        return entered

    def taken(self) -> float:
        """The seconds since this was asked last."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds


def write(store: Path, run_id: str, until: float, told: Any) -> None:
    """Epochs until it is time; (run_id, [(seconds of each epoch's commit, of them waited)])."""
    writer, waiting, seconds = StoreWriter(store), Waiting(), []
    while time.time() < until:
        rows = epoch_rows(run_id, len(seconds))
        waiting.taken()
        start = time.perf_counter()
        writer.write_epoch(run_id, len(seconds), rows)
        seconds.append((time.perf_counter() - start, waiting.taken()))
        writer.heartbeat(run_id, len(seconds))
    writer.end_run(run_id, RunState.FINISHED, 1.0)
    told.put(("writer", run_id, seconds))


def read(store: Path, name: str, until: float, told: Any) -> None:
    """Ask until it is time; (name, epochs seen in part, seconds of each answer). No run may ever have fewer epochs."""
    seconds: list[float] = []
    wrong, before = 0, {}
    while time.time() < until:
        start = time.perf_counter()
        with reading(store) as opened:
            found = opened.execute(_WHOLE).fetchall()
        seconds.append(time.perf_counter() - start)
        wrong += sum((metrics, vectors) != (METRICS, VECTORS) for _run, _epoch, metrics, vectors in found)
        now = {run: sum(row[0] == run for row in found) for run in {row[0] for row in found}}
        wrong += sum(now.get(run, 0) < count for run, count in before.items())
        before = now
        time.sleep(0.2)
    told.put(("reader", name, [wrong, *seconds]))


def measure(kind: str, store: Path, seconds: float) -> dict[str, Any]:
    """Run all processes, and compare what they say with what the store holds. Raises RuntimeError where something is lost."""
    for number in range(WRITERS):
        begin(store, f"w{number}")
    context = multiprocessing.get_context("spawn")
    told, until = context.Queue(), time.time() + seconds
    jobs = [(write, f"w{number}") for number in range(WRITERS)] + [(read, f"r{number}") for number in range(READERS)]
    processes = [context.Process(target=act, args=(store, name, until, told)) for act, name in jobs]
    for process in processes:
        process.start()
    answers = [told.get(timeout=seconds + 120) for _ in processes]
    for process in processes:
        process.join()
    commits = {name: values for part, name, values in answers if part == "writer"}
    reads = [values for part, _name, values in answers if part == "reader"]
    with reading(store) as opened:
        found = opened.execute(_WHOLE).fetchall()
    expected = {(run, epoch, METRICS, VECTORS) for run, of_run in commits.items() for epoch in range(len(of_run))}
    if set(found) != expected or len(found) != len(expected) or any(values[0] for values in reads):
        raise RuntimeError(f"{kind}: {len(found)} epochs in the store, {len(expected)} written; readers: {reads}")
    taken, waited = np.array([times for of_run in commits.values() for times in of_run]).T
    answered = np.array([second for values in reads for second in values[1:]])
    return {
        "store": kind,
        "epochs": len(taken),
        "lost": len(expected - set(found)),
        "commit_median": float(np.median(taken)),
        "commit_p99": float(np.quantile(taken, 0.99)),
        "waited_median": float(np.median(waited)),
        "work_median": float(np.median(taken - waited)),
        "reads": len(answered),
        "read_median": float(np.median(answered)),
        "read_p99": float(np.quantile(answered, 0.99)),
    }


def main(arguments: list[str]) -> int:
    """Print a line a kind of store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [measure("DuckDB file", folder / "file" / "rnc.duckdb", given.seconds)]
        with postgres.server() as server:
            lake = store_path(postgres.new_lake(server, folder / "lake"))
            rows.append(measure("DuckLake, PostgreSQL", lake, given.seconds))
    for row in rows:
        print(
            "  ".join(
                f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({"seconds": given.seconds, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
