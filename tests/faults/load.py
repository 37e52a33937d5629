"""Many sessions read what several trainers write.

    python -m tests.faults.load [--minutes 10] [--readers 20] [--writers 4] [--store STORE]

The real server runs on a new store, or on a copy of a given one: with `--writers 0` the readers are alone. They are sessions over
real WebSockets that go from page to page; pages under way refresh themselves. Every trainer counts the rows that were written
without an error. At the end the rows of the store are compared with these counts; the exit code is 1 if a row is lost or doubled,
a page showed an error, or a trainer failed.
"""

import argparse
import asyncio
import io
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from docs.tools import served
from rnc.probe.store_and_device_options import Options
from rnc.store import writer
from tests.benchmarks.page_acts import processor_seconds
from tests.faults.killed import RUN
from tests.faults.visitor import Visitor
from tests.train.fork_server import fork_server
from tests.train.small import ask, small
from train.loop import train_run

PAGES = ("", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs")
_LONGEST_LOOK = 3.0  # seconds on a page
_SESSION = 8  # pages
_LAST_RUN = 300.0  # seconds that the runs begun last may take
_OBJECTIVES = ("st", "at")

Tally = Counter[tuple[str, str, int]]
"""Rows by (table, run, epoch)."""


@dataclass
class Outcome:
    """The counts and times of a load."""

    seconds: list[float] = field(default_factory=list)
    """Seconds until each page was drawn."""
    refreshed: int = 0
    processor: float = 0.0
    """Seconds of work of the server's process meanwhile, which other work on the machine does not change much."""
    errors: Counter[str] = field(default_factory=Counter)
    """Errors that pages showed, and errors of sessions."""
    waits: list[float] = field(default_factory=list)
    """Seconds from a trainer's wish to write to its transaction."""
    landed: Tally = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Errors by which trainers ended."""

    def clean(self) -> bool:
        """Return whether pages were drawn and nothing went wrong."""
        return bool(self.seconds) and not (self.errors or self.lost or self.doubled or self.failures)

    def __str__(self) -> str:
        """Return three lines for people."""
        runs = {run for _table, run, _epoch in self.landed}
        each = self.processor / max(len(self.seconds), 1)
        return (
            f"{len(self.seconds)} pages and {self.refreshed} refreshes; {_percentiles(self.seconds)} a page, "
            f"{each:.2f} s of the server's processor; {self.errors.total()} errors shown {dict(self.errors) or ''}\n"
            f"{len(runs)} runs, {self.landed.total()} rows landed; {self.lost} lost, {self.doubled} doubled; "
            f"{self.failures.total()} trainers failed {dict(self.failures) or ''}\n"
            f"{len(self.waits)} transactions; {_percentiles(self.waits)} of waiting for the store\n"
        )


def _percentiles(seconds: list[float]) -> str:
    median, late = np.percentile(seconds or [np.nan], [50, 99])
    return f"median {median:.2f} s, 99th percentile {late:.2f} s"


def train(store: Path, number: int, until: Any, reports: Any) -> None:
    """Train one small run after another until the shared moment; report (rows landed, seconds of waiting, what went wrong)."""
    tally: Tally = Counter()
    waits: list[float] = []
    error = ""
    _watch(tally, waits)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # (four bars of progress)
        try:
            for turn in count():
                config = small(**RUN, objective=_OBJECTIVES[turn % 2], seed=1000 * (number + 1) + turn)
                train_run(config, Options(store, device="cpu", threads=1))
                if time.time() > until.value:
                    break
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
    reports.put((tally, waits, error))


def _watch(tally: Tally, waits: list[float]) -> None:
    usual_writing, usual_epoch = writer.writing, writer.StoreWriter.write_epoch

    @contextmanager
    def writing(path: Path) -> Iterator[Any]:
        begin = time.perf_counter()
        with usual_writing(path) as connection:
            waits.append(time.perf_counter() - begin)
            yield connection

    def write_epoch(self: Any, run_id: str, epoch: int, rows: Any) -> None:
        usual_epoch(self, run_id, epoch, rows)
        for table, content in rows.tables().items():
            keys = zip(content["run_id"].to_pylist(), content["epoch"].to_pylist(), strict=True)
            tally.update((table, *key) for key in keys)

    writer.writing = writing  # type: ignore[assignment]
    writer.StoreWriter.write_epoch = write_epoch  # type: ignore[method-assign]


async def read(address: str, number: int, until: float, outcome: Outcome) -> None:
    """Open sessions one after another, each over some pages."""
    chance = random.Random(number)
    while time.time() < until:
        visitor = Visitor(address)
        try:
            async with visitor:
                for _page in range(_SESSION):
                    if time.time() > until:
                        break
                    await visitor.visit(chance.choice(PAGES))
                    await asyncio.sleep(chance.uniform(0, _LONGEST_LOOK))
        except (OSError, EOFError) as error:  # (timeouts and lost connections are OSErrors)
            outcome.errors[f"{type(error).__name__}: {error}"] += 1
        outcome.seconds += visitor.seconds
        outcome.refreshed += visitor.refreshed
        outcome.errors.update(visitor.errors)


async def _all_read(address: str, process: int, readers: int, seconds: float, outcome: Outcome) -> float:
    """Let all readers begin once the server has drawn its first page, and return the time at which they stop."""
    async with Visitor(address) as first:
        await first.visit(PAGES[0])
    until, processor = time.time() + seconds, processor_seconds(process)
    await asyncio.gather(*(read(address, number, until, outcome) for number in range(readers)))
    outcome.processor = processor_seconds(process) - processor
    return until


def load(folder: Path, readers: int, writers: int, seconds: float, source: Path | None = None) -> Outcome:
    """Let readers and trainers work on a new store in a folder, or on a copy of the store `source` and its checkpoints."""
    store, outcome = folder / "rnc.duckdb", Outcome()
    if source is not None:
        shutil.copytree(source.parent / "checkpoints", folder / "checkpoints")
        shutil.copy(source, store)
    context = fork_server()
    reports, until = context.Queue(), context.Value("d", float("inf"))
    trainers = [context.Process(target=train, args=(store, n, until, reports), daemon=True) for n in range(writers)]
    for trainer in trainers:
        trainer.start()
    with served(store, "") as (address, process):
        until.value = asyncio.run(_all_read(address, process, readers, seconds, outcome))
        for _trainer in trainers:
            tally, waits, error = reports.get(timeout=_LAST_RUN)
            outcome.landed += tally
            outcome.waits += waits
            outcome.failures.update([error] if error else [])
    if not writers:
        return outcome
    difference = stored(store, sorted({table for table, _run, _epoch in outcome.landed}))
    difference.subtract(outcome.landed)
    outcome.lost = -sum(rows for rows in difference.values() if rows < 0)
    outcome.doubled = sum(rows for rows in difference.values() if rows > 0)
    return outcome


def stored(store: Path, tables: list[str]) -> Tally:
    """Return the numbers of rows of tables that have epochs."""
    return Counter(
        {
            (table, run_id, epoch): rows
            for table in tables
            for run_id, epoch, rows in ask(store, f"SELECT run_id, epoch, count(*) FROM {table} GROUP BY ALL")
        }
    )


def main(arguments: list[str]) -> int:
    """Read and write for a number of minutes; return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.load", description=__doc__)
    parser.add_argument("--store", type=Path, help="a store whose copy is read, and written to")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--writers", type=int, default=4)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # (server and trainers end with it)
    with tempfile.TemporaryDirectory() as folder:
        outcome = load(Path(folder), asked.readers, asked.writers, 60 * asked.minutes, asked.store)
    sys.stdout.write(str(outcome))
    return 0 if outcome.clean() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
