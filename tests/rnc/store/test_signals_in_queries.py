"""A program that is stopped while DuckDB runs a query ends as stopped, not as failed."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import pytest

from rnc.probe.interruption import StopRun, sigterm_stops
from rnc.store import compact
from rnc.store.connection_per_transaction import empty_store, reading, writing
from rnc.store.writer import StoreWriter

ENDLESS = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE (a.range * b.range) % 7 = 3"
WAYS: dict[str, Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]] = {
    "reading": reading,
    "writing": writing,
    "an empty store": lambda _path: empty_store(),
}


def run_endless_query(connection: duckdb.DuckDBPyConnection, number: signal.Signals) -> None:
    """Run a query that cannot end by itself, and send a signal to this process meanwhile."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
    connection.execute(ENDLESS)


def stop_a_query(way: str, store: Path, number: signal.Signals) -> None:
    with WAYS[way](store) as connection:
        run_endless_query(connection, number)


def insert_and_stop(store: Path) -> None:
    with writing(store) as connection:
        connection.execute("INSERT INTO condition (condition) VALUES ('half')")
        run_endless_query(connection, signal.SIGINT)


def fail_while_reading(store: Path) -> None:
    with reading(store):
        raise RuntimeError("of the caller") from ValueError()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "rnc.duckdb"
    with writing(path):
        pass
    return path


@pytest.mark.parametrize("way", WAYS)
def test_sigterm_during_a_query_stops_the_run(way: str, store: Path) -> None:
    with pytest.raises(StopRun, match="stopped by SIGTERM"), sigterm_stops():
        stop_a_query(way, store, signal.SIGTERM)


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_during_a_query_is_a_keyboard_interrupt(way: str, store: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stop_a_query(way, store, signal.SIGINT)


def test_what_was_written_in_the_interrupted_transaction_is_rolled_back(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        insert_and_stop(store)
    with reading(store) as connection:
        assert connection.execute("SELECT count(*) FROM condition").fetchone() == (0,)
    StoreWriter(store)  # the store can be written to again


def test_a_compaction_that_is_stopped_leaves_the_store_as_it_was(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.read_bytes()

    def stop(connection: duckdb.DuckDBPyConnection, _path: Path) -> None:
        run_endless_query(connection, signal.SIGINT)

    monkeypatch.setattr(compact, "_check_same", stop)
    with pytest.raises(KeyboardInterrupt):
        compact.compact(store)
    assert store.read_bytes() == before and [path.name for path in store.parent.glob(".*")] == []


def test_other_runtime_errors_stay_as_they_are(store: Path) -> None:
    with pytest.raises(RuntimeError, match="of the caller"):
        fail_while_reading(store)
