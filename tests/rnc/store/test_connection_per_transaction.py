"""Tests of transactions: what is no store is refused with advice and left as it was; a transaction lands whole or not at all."""

import os
import re
import threading
from pathlib import Path

import duckdb
import pytest

from rnc.store import file_store
from rnc.store.addresses import DEFAULT_STORE, store_path
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreBusyError, StoreError, StoreMissingError
from rnc.store.migrations import SCHEMA_VERSION
from rnc.store.open_untrusted_file import open_database
from tests.rnc.store.hand_written import begin, one_epoch


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a").write_epoch("a", 0, one_epoch("a", 0))
    return path


def count(path: Path, table: str) -> int:
    with reading(path) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def refused(path: Path, match: str, error: type[StoreError] = StoreError) -> None:
    """Neither side opens it, and its bytes stay as they are."""
    before = path.read_bytes() if path.is_file() else None
    for side in (reading, writing):
        with pytest.raises(error, match=match), side(path):
            pytest.fail("it was opened")
        if before is not None:
            assert path.read_bytes() == before, side.__name__
    assert not path.with_name(path.name + ".wal").exists()


@pytest.mark.one_file("what stands for a lake is a text that this program writes")
@pytest.mark.parametrize("content", [b"not a database\n" * 500, b"x", b"SQLite format 3\x00" + bytes(4096)])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    refused(path, "not a DuckDB store")
    refused(path, re.escape(str(path)))


@pytest.mark.one_file("a data base of PostgreSQL does not lose its end")
def test_a_truncated_store(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:5000])
    refused(store, "not a DuckDB store, or is damaged")


@pytest.mark.one_file("made by DuckDB in a file")
def test_a_duckdb_file_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE metric (x INTEGER)")
    refused(path, "another program")


@pytest.mark.one_file("a lake's rows lie in another process")
def test_a_store_that_this_process_has_open_otherwise(store: Path) -> None:
    with (
        duckdb.connect(str(store), read_only=True),
        pytest.raises(StoreError, match="close that connection"),
        reading(store),
    ):
        pytest.fail("it was opened")


def test_a_newer_schema(store: Path) -> None:
    with writing(store) as connection:
        connection.execute("UPDATE schema_version SET version = ?", [SCHEMA_VERSION + 1])
    refused(store, f"schema version {SCHEMA_VERSION + 1}.*upgrade this program")


def test_a_schema_older_than_any(store: Path) -> None:
    with writing(store) as connection:
        connection.execute("UPDATE schema_version SET version = 0")
    refused(store, "schema version 0.*train into a new store")


def test_a_schema_without_a_version(store: Path) -> None:
    with writing(store) as connection:
        connection.execute("DELETE FROM schema_version")
    refused(store, "schema version None")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder; name a file")
    assert list(tmp_path.iterdir()) == []


def test_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "rnc.duckdb"
    with pytest.raises(StoreMissingError, match="train a run first"), reading(path):
        pytest.fail("it was opened")
    assert not path.parent.exists()


@pytest.mark.one_file("made by DuckDB in a file")
def test_a_store_without_tables_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(StoreMissingError, match="is empty"), reading(path):
        pytest.fail("it was opened")


def test_the_first_writer_makes_store_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "some" / "where" / "rnc.duckdb"
    with writing(path):
        pass
    assert count(path, "run") == 0
    with reading(path) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
    with writing(path):
        pass
    assert count(path, "schema_version") == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, duckdb.Error])
def test_a_transaction_that_raises_leaves_nothing(store: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with writing(store) as connection:
            connection.execute("DELETE FROM metric")
            connection.execute("INSERT INTO layer VALUES ('a', 'conv1', 1, 2)")
            raise error("stop")

    with pytest.raises(error, match="stop"):
        fail()
    assert (count(store, "metric"), count(store, "layer")) == (1, 0)


def test_a_first_transaction_that_raises_leaves_no_half_store(tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"

    def fail() -> None:
        with writing(path):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(StoreMissingError), reading(path):
        pytest.fail("it was opened")
    with writing(path) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)


def test_a_reader_cannot_write(store: Path) -> None:
    with reading(store) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM metric")


def test_connections_are_closed_whatever_happens(store: Path) -> None:
    for side in (reading, writing):
        try:
            with side(store) as connection:
                raise RuntimeError
        except RuntimeError:
            pass
        with pytest.raises(duckdb.Error, match="closed"):
            connection.execute("SELECT 1")


def test_one_connection_at_a_time_in_this_process(store: Path) -> None:
    inside, entered = threading.Event(), threading.Event()

    def read() -> None:
        inside.wait(10)
        with reading(store):
            entered.set()

    thread = threading.Thread(target=read)
    thread.start()
    with writing(store):
        inside.set()
        assert not entered.wait(0.2)
    thread.join(10)
    assert entered.is_set()


@pytest.mark.one_file("the lock of a DuckDB file; of a lake: test_lake.py")
def test_a_held_store_is_busy_after_our_patience(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def locked(path: str, read_only: bool, config: dict) -> None:
        calls.append(path)
        raise duckdb.IOException("IO Error: Could not set lock on file: Conflicting lock is held")

    waits: list[float] = []
    monkeypatch.setattr(file_store.duckdb, "connect", locked)
    monkeypatch.setattr(file_store.time, "monotonic", lambda: sum(waits))
    monkeypatch.setattr(file_store.time, "sleep", waits.append)
    with pytest.raises(StoreBusyError, match=r"in use by another process.*close the program"), reading(store):
        pytest.fail("it was opened")
    assert 30 <= sum(waits) < 32 and len(calls) == len(waits) + 1
    assert all(0 < wait <= 0.75 for wait in waits) and len(set(waits)) > len(waits) / 2


@pytest.mark.one_file("the lock of a DuckDB file; of a lake: test_lake.py")
def test_a_store_held_for_a_moment_is_waited_for(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, failures = duckdb.connect, [duckdb.IOException("Could not set lock on file")] * 3

    def sometimes(path: str, read_only: bool, config: dict) -> duckdb.DuckDBPyConnection:
        if failures:
            raise failures.pop()
        return connect(path, read_only=read_only, config=config)

    monkeypatch.setattr(file_store.duckdb, "connect", sometimes)
    monkeypatch.setattr(file_store.time, "sleep", lambda _seconds: None)
    assert count(store, "metric") == 1 and not failures


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNC_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert store_path() == tmp_path / DEFAULT_STORE and Path("data/rnc.duckdb") == DEFAULT_STORE
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "env"))
    assert store_path() == tmp_path / "env"
    assert store_path(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("RNC_STORE", "")
    assert store_path() == tmp_path / DEFAULT_STORE
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "rnc.duckdb")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for name in ("link", "circle"):
        with pytest.raises(StoreError, match=r"is a link to .*, which is no store"):
            store_path(name)
    with writing(tmp_path / "elsewhere" / "rnc.duckdb"):
        pass
    assert store_path("link") == tmp_path / "elsewhere" / "rnc.duckdb"


@pytest.mark.one_file("a file that appears")
def test_a_store_made_while_it_was_asked_for_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB found no file, and a trainer made it before the message was written."""
    path = tmp_path / "rnc.duckdb"

    def too_early(*_arguments: object, **_options: object) -> None:
        path.write_bytes(b"a store by now")
        raise duckdb.IOException("Cannot open database in read-only mode: database does not exist")

    monkeypatch.setattr(duckdb, "connect", too_early)
    with pytest.raises(StoreMissingError), reading(path):
        pass


def test_a_default_value_is_refused_in_the_tables_of_the_schema_alone(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("CREATE TABLE notes (author VARCHAR DEFAULT 'me')")
    with reading(store) as connection:
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    with duckdb.connect(str(store)) as connection:
        connection.execute("ALTER TABLE run ALTER COLUMN heartbeat_at SET DEFAULT '2024-01-01'::TIMESTAMP")
    with pytest.raises(StoreError, match=r"default value.*run\.heartbeat_at"), reading(store):
        pass


@pytest.mark.parametrize(
    ("name", "advice"), [("", "name another with --store"), (".wal", "remove it; .* was left as it is")]
)
def test_a_pipe_is_refused_with_what_to_do(name: str, advice: str, tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    os.mkfifo(tmp_path / f"rnc.duckdb{name}")
    with pytest.raises(StoreError, match=f"is no plain file but a link, a pipe or a device; {advice}"):
        open_database(store, read_only=True)
