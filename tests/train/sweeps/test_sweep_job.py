"""Tests of a sweep's job: how it deals out GPUs, what it starts, and that a signal finds the store free."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from rnc.store.connection_per_transaction import reading
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import begin
from train.sweeps import sweep_job
from train.sweeps.sweep_job import SweepJob


def job(gpus: int, ranks: int) -> SweepJob:
    return SweepJob(Path("rnc.duckdb"), {}, 4, ranks, gpus, None, requeues=False)


@pytest.mark.parametrize(
    ("ranks", "dealt"),
    [(1, ["2", "3", "5", "7"]), (2, ["2,3", "5,7", "2,3", "5,7"]), (3, ["2,3,5", "7,2,3", "5,7,2", "3,5,7"])],
)
def test_slots_get_gpus_in_turn(ranks: int, dealt: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5,7")
    assert [job(4, ranks)._gpus_of(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(4)] == dealt


@pytest.mark.parametrize(("gpus", "ranks"), [(0, 1), (1, 1), (4, 4)])
def test_where_all_are_needed_nothing_is_dealt(gpus: int, ranks: int) -> None:
    assert job(gpus, ranks)._gpus_of(3) == {}


def test_a_signal_in_the_middle_of_a_query_finds_the_store_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preempted job waits in the signal's handler for its runs, which write to the store before they end."""
    begin(tmp_path / "rnc.duckdb", "a")
    closed, waited = threading.Event(), list[bool]()

    @contextmanager
    def interrupted_reading(store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        with reading(store) as connection:
            os.kill(os.getpid(), signal.SIGUSR2)
            yield connection
        closed.set()

    monkeypatch.setattr(sweep_job, "reading", interrupted_reading)
    before = signal.signal(signal.SIGUSR2, lambda _number, _frame: waited.append(closed.wait(60)))
    try:
        state = SweepJob(tmp_path / "rnc.duckdb", {}, 1, 1, 0, None, requeues=False)._state("a")
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert state == RunState.RUNNING and waited == [True]
