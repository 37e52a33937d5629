"""Connections for one short transaction each. An open one locks out other processes, so none is kept (decision 3)."""

import logging
import os
import random
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import duckdb

from rnc.store import lake
from rnc.store.backup import back_up
from rnc.store.catalog import SCHEMA, VERSION_TABLE, check_columns, check_definitions, stored_version, tables_found
from rnc.store.connection_pool import Sharing
from rnc.store.database import check_is_database, open_database
from rnc.store.duckdb_errors import (
    DISK_ERRORS,
    READ_ERRORS,
    busy_store,
    failed_backup,
    failed_write,
    is_disk_refusal,
    is_lock_conflict,
    lock_holder,
    missing_store,
    out_of_memory,
    refused_by_disk,
    unusable_store,
)
from rnc.store.errors import (
    StoreError,
    StoreForeignError,
    StoreMissingError,
    StoreOlderError,
)
from rnc.store.files import store_lock_file
from rnc.store.locks import exclusive_lock, shared_lock
from rnc.store.migrations import UPGRADES

SCHEMA_VERSION = 4

_PATIENCE_SECONDS, _LAKE_PATIENCE_SECONDS = 30.0, 300.0  # a lake's many writers take seconds each
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.01, 0.5  # for programs that take no turns
_LOG = logging.getLogger("rnc.store")
_sharings: defaultdict[Path, Sharing] = defaultdict(Sharing)
_sharings_lock = threading.Lock()


@contextmanager
def reading(path: Path, folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a short read-only connection to an existing store.

    Only files in `folder`, a folder of published runs, may be read beside it. Raises StoreError if the file is not a store,
    has
    another schema, or has anything that the schema does not (`rnc/store/catalog.py`), and if a query needs more memory than is
    allowed.
    """
    with _joined(path, folder) as connection:
        try:
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise out_of_memory(path, error) from error
        except READ_ERRORS as error:  # blocks are checked when they are read, maybe long after opening
            raise unusable_store(path, error) from error


def _sharing(path: Path) -> Sharing:
    with _sharings_lock:
        return _sharings[path.resolve()]


@contextmanager
def _joined(path: Path, folder: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Join this process's open connection; a lake, which locks out no process, gets a new one, for one thread at a time."""
    sharing = _sharing(path)
    if lake.is_lake(path):
        with sharing.alone(), _opened(path, folder) as connection:
            yield connection
    else:
        with sharing.joined(partial(_opened, path, folder), folder) as connection:
            yield connection


@contextmanager
def _opened(path: Path, folder: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    with nullcontext() if lake.is_lake(path) else shared_lock(store_lock_file(path), _PATIENCE_SECONDS):
        connection = _connect(path, read_only=True, folder=folder)
        try:
            _check(connection, path)
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise out_of_memory(path, error) from error
        except READ_ERRORS as error:
            raise unusable_store(path, error) from error
        finally:
            connection.close()


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Keep all other threads and processes that take turns away from a store; nothing is opened. Raises as `writing` does."""
    with _sharing(path).alone(), _writers_turn(path):
        yield


@contextmanager
def writing(path: Path, *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one read-write transaction; create the store if missing. Raises as `reading` does, before anything is created."""
    with _sharing(path).alone(), _writers_turn(path):
        if not path.exists():
            _make(path)
        connection = _connect(path, read_only=False, threads=threads)
        try:
            _begin(connection, path)
            yield connection
            connection.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # a commit that failed has rolled back already
                connection.rollback()
            if isinstance(error, DISK_ERRORS):
                raise failed_write(path, error) from error
            if isinstance(error, duckdb.PermissionException):
                raise unusable_store(path, error, read_only=False) from error
            raise
        finally:
            connection.close()


def _begin(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Begin a transaction, and upgrade the store to this version's schema within it."""
    version = _check(connection, path, to_write=True)  # the version cannot change until this connection is closed
    if version in UPGRADES and not lake.is_lake(path):  # a lake keeps its own snapshots
        _back_up(connection, path, version)
    connection.begin()
    if version is None:
        connection.execute(SCHEMA.read_text())
        connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    elif version in UPGRADES:
        for step in range(version, SCHEMA_VERSION):
            connection.execute(UPGRADES[step])
        _check(connection, path, anew=True)


def _writers_turn(path: Path) -> AbstractContextManager[object]:
    """Return a writer's turn. A lake needs it; for a file, which locks out other processes itself, it shortens the wait."""
    if lake.is_lake(path):
        return lake.write_lock(path, _LAKE_PATIENCE_SECONDS)
    check_is_database(path)  # before a folder is created beside a path that may be anything
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused_by_disk(path, error, read_only=False) from None
    return exclusive_lock(store_lock_file(path), _PATIENCE_SECONDS)


@contextmanager
def empty_store(folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty store in memory; files in `folder` may be read beside it."""
    with open_database(None, folder=folder) as connection:
        connection.execute(SCHEMA.read_text())
        yield connection


def _make(path: Path) -> None:
    """Create an empty DuckDB file under a temporary name, and give it its name when it is complete.

    If this is impossible (no hard links, or another process was first), nothing is created here: connecting creates the file
    in place, or uses the other one. Raises StoreWriteError if the disk refuses: connecting would leave an invalid file that
    blocks the next attempt.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            made = Path(folder) / path.name
            open_database(made).close()
            os.link(made, path)
    except (OSError, duckdb.Error) as error:
        if is_disk_refusal(error):
            raise refused_by_disk(path, error, read_only=False) from None


def _connect(
    path: Path, *, read_only: bool, folder: Path | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Connect; wait with random intervals while another process holds the file."""
    if lake.is_lake(path):
        return lake.connect(path, read_only=read_only, folder=folder)
    if read_only and not path.exists():
        raise missing_store(path)
    deadline, wait = time.monotonic() + _PATIENCE_SECONDS, _FIRST_WAIT_SECONDS
    while True:
        try:
            return open_database(path, read_only=read_only, folder=folder, threads=threads)
        except duckdb.Error as error:
            if not is_lock_conflict(error):
                raise unusable_store(path, error, read_only=read_only) from None
            if time.monotonic() > deadline:
                raise busy_store(path, _PATIENCE_SECONDS, error) from None
        time.sleep(wait * random.uniform(0.5, 1.5))
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def holder(path: Path) -> str | None:
    """Return the process that holds a store now, as `python3.12 (PID 4242)`, or None."""
    with _sharing(path).alone():
        try:
            open_database(path, read_only=True).close()
        except duckdb.Error as error:
            return lock_holder(error) if is_lock_conflict(error) else None
        except StoreError:
            return None  # not a file that a process could hold
    return None


def _back_up(connection: duckdb.DuckDBPyConnection, path: Path, version: int) -> None:
    """Copy a store before its upgrade; without the copy there is no upgrade."""
    try:
        connection.execute("CHECKPOINT")  # moves all data into the one file that is copied
        copy = back_up(path, version)
        _LOG.info("store copied before its upgrade", extra={"fields": {"copy": copy, "version": version}})
    except (OSError, *DISK_ERRORS) as error:
        raise failed_backup(path, version, error) from error


def _check(
    connection: duckdb.DuckDBPyConnection, path: Path, *, to_write: bool = False, anew: bool = False
) -> int | None:
    """Check all definitions of a store before any of it is read, and return its schema version.

    Raises StoreError if the store cannot be used. A store that is to be written to may be older, or empty (None).
    """
    found = tables_found(connection, path, anew=anew)
    if not found:
        check_definitions(connection, path)
        if to_write:
            return None
        raise StoreMissingError(f"store {path} is empty; train a run first: python -m train.run demo --store {path}")
    if found.get(VERSION_TABLE) != {"version": "INTEGER"}:
        raise StoreForeignError(f"{path} is a DuckDB file of another program, not a store; name another with --store")
    version = stored_version(connection)
    if version != SCHEMA_VERSION and not (to_write and version in UPGRADES):
        raise _of_other_version(path, version)
    check_definitions(connection, path, anew=anew)
    check_columns(found, path, complete=version == SCHEMA_VERSION)
    return version


def _of_other_version(path: Path, version: int | None) -> StoreError:
    advice = "train into a new store"
    if version and version > SCHEMA_VERSION:
        advice = "upgrade this program"
    elif version in UPGRADES:
        advice = f"bring it up to date, nothing is lost: python -m rnc.store {path} --upgrade"
    return (StoreOlderError if version in UPGRADES else StoreError)(
        f"store {path} has schema version {version}, this program reads {SCHEMA_VERSION}; {advice}"
    )
