"""Connections for one short transaction each. An open one locks out other processes, so none is kept (decision 3)."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import duckdb

from rnc.store.backends import Backend, backend_of
from rnc.store.errors_from_duckdb import DISK_ERRORS, READ_ERRORS, failed_write, out_of_memory, unusable_store
from rnc.store.migrations import (
    SCHEMA_VERSION,
    begin_transaction_with_current_schema,
    checked_version,
    stand_in_for_lacking_tables,
)
from rnc.store.open_untrusted_file import open_database
from rnc.store.schema_checks import SCHEMA, carry_over_cached_definitions
from rnc.store.shared_connection import ProcessConnections
from rnc.store.signals_in_queries import interruption_as_raised

_connections: defaultdict[Path, ProcessConnections] = defaultdict(ProcessConnections)
_connections_lock = threading.Lock()


@contextmanager
def reading(path: Path, folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a short read-only connection to an existing store.

    A store of an older version may be read as it is (`migrations.OLDEST_READ`). Only files in `folder`, a folder of published
    runs, may be read beside it. Raises StoreError if the file is not a store, has another schema, or has anything that the
    schema does not (`rnc/store/schema_checks.py`), and if a query needs more memory than is allowed.
    """
    backend = backend_of(path)
    try:
        with (
            interruption_as_raised(),
            backend.read_connection(
                _process_connections(path), partial(_opened, backend, folder), folder
            ) as connection,
            interruption_as_raised(connection),
        ):
            stand_in_for_lacking_tables(connection)
            yield connection
    except duckdb.OutOfMemoryException as error:
        raise out_of_memory(path, error) from error
    except READ_ERRORS as error:  # blocks are checked when they are read, maybe long after opening
        raise unusable_store(path, error) from error


@contextmanager
def _opened(backend: Backend, folder: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    with backend.read_lock():
        connection = backend.connect(read_only=True, folder=folder)
        try:
            checked_version(connection, backend)
            yield connection
        finally:
            connection.close()


@contextmanager
def writing(path: Path, *, threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one read-write transaction; create the store if missing. Raises as `reading` does, before anything is created.

    The block changes rows, never definitions: those that were listed before it are not listed again after it.
    """
    backend = backend_of(path)
    with exclusively(path):
        backend.create_file_if_missing()
        connection = backend.connect(read_only=False, threads=threads)
        try:
            with interruption_as_raised(connection):
                version, before = begin_transaction_with_current_schema(connection, backend), backend.files_state()
                yield connection
                connection.commit()
                if version in (None, SCHEMA_VERSION):
                    _keep_known_definitions(connection, backend, before, created=version is None)
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


def _keep_known_definitions(
    connection: duckdb.DuckDBPyConnection, backend: Backend, before: tuple | None, *, created: bool
) -> None:
    """Let the next connection know a store's definitions: listing them takes twice as long as a small transaction.

    The connection is still open, so that no other process can have changed the files that are looked at here.
    """
    with suppress(duckdb.Error):  # the transaction is committed, and closing the connection tries again
        after = backend.checkpoint_and_return_state(connection)
        if before is not None and after is not None:
            carry_over_cached_definitions(backend.path, before, after, created=created)


@contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Keep all other threads and processes of this program away from a store; nothing is opened. Raises as `writing` does."""
    with interruption_as_raised(), _process_connections(path).exclusive(), backend_of(path).write_lock():
        yield


def writes_of_this_process(path: Path) -> int:
    """Return how often this process has kept others away from a store, as every write does."""
    return _process_connections(path).exclusive_uses


def open_empty_store_in_memory(folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty store in memory, to be closed after use; files in `folder` may be read beside it."""
    connection = open_database(None, folder=folder)
    connection.execute(SCHEMA.read_text())
    return connection


@contextmanager
def empty_store(folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty store in memory for the time of the block; files in `folder` may be read beside it."""
    with open_empty_store_in_memory(folder) as connection, interruption_as_raised(connection):
        yield connection


def holder(path: Path) -> str | None:
    """Return the process that holds a store now, as `python3.12 (PID 4242)`, or None."""
    with _process_connections(path).exclusive():
        return backend_of(path).holder()


def _process_connections(path: Path) -> ProcessConnections:
    with _connections_lock:
        return _connections[path.resolve()]
