"""Open, one transaction, close. A held connection locks every other process out, so none is held (design, decision 3)."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

SCHEMA_VERSION = 1
DEFAULT_STORE = Path("data/rnc.duckdb")
STORE_VARIABLE = "RNC_STORE"

_PATIENCE_SECONDS = 30.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.01, 0.5
_SCHEMA = Path(__file__).with_name("schema.sql")
_process_lock = threading.Lock()  # DuckDB refuses a read-only beside a read-write connection in one process


class StoreError(Exception):
    """A store that cannot be used; the message says why and what to do."""


class StoreMissingError(StoreError):
    """There is no store yet, or nothing was ever written to it."""


class StoreBusyError(StoreError):
    """Another process held the store for longer than we wait."""


def store_path(given: str | Path | None = None) -> Path:
    """The store: the one given, or the environment's RNC_STORE, or data/rnc.duckdb."""
    return Path(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A short read-only connection to an existing store. Raises StoreError where it is none, or is of another schema."""
    with _process_lock:
        connection = _connect(path, read_only=True)
        try:
            _check_version(connection, path)
            yield connection
        finally:
            connection.close()


@contextmanager
def writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One read-write transaction, committed at the end or rolled back on an error; makes the store where there is none."""
    with _process_lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path, read_only=False)
        try:
            connection.begin()
            if not _table_names(connection):
                connection.execute(_SCHEMA.read_text())
                connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
            _check_version(connection, path)
            yield connection
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect, waiting with jitter while another process holds the file."""
    deadline, wait = time.monotonic() + _PATIENCE_SECONDS, _FIRST_WAIT_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            if not _is_lock_conflict(error):
                raise _unusable(path, error) from None
            if time.monotonic() > deadline:
                raise StoreBusyError(
                    f"store {path} has been in use by another process for {_PATIENCE_SECONDS:.0f} s; close the program "
                    "that holds it open (a DuckDB shell, a notebook) and try again"
                ) from None
        time.sleep(wait * random.uniform(0.5, 1.5))
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def _is_lock_conflict(error: duckdb.Error) -> bool:
    text = str(error).lower()
    return "could not set lock" in text or "conflicting lock" in text or "unique file handle conflict" in text


def _unusable(path: Path, error: duckdb.Error) -> StoreError:
    # The message before the file: a trainer may have made the store in between.
    if "does not exist" in str(error).lower() or not path.exists() or path.stat().st_size == 0:
        return StoreMissingError(
            f"there is no store at {path}; train a run first: python -m train.run demo --store {path}"
        )
    if path.is_dir():
        return StoreError(f"store {path} is a folder; name a file, such as {path / 'rnc.duckdb'}")
    if "newer version" in str(error).lower() or "storage version" in str(error).lower():
        return StoreError(f"store {path} was written by a newer DuckDB than is installed; upgrade the duckdb package")
    return StoreError(
        f"{path} is not a DuckDB store, or is damaged; it was left as it is. Name another with --store. ({error})"
    )


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    tables = _table_names(connection)
    if not tables:
        raise StoreMissingError(f"store {path} is empty; train a run first: python -m train.run demo --store {path}")
    if "schema_version" not in tables:
        raise StoreError(f"{path} is a DuckDB file of another program, not a store; name another with --store")
    found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    version = found[0] if found else None
    if version != SCHEMA_VERSION:
        advice = "upgrade this program" if version and version > SCHEMA_VERSION else "train into a new store"
        raise StoreError(f"store {path} has schema version {version}, this program reads {SCHEMA_VERSION}; {advice}")


def _table_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT table_name FROM information_schema.tables").fetchall()}
