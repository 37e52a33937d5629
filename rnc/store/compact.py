"""Compaction of a store's file, since DuckDB keeps the space of deleted rows and never shrinks a file."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from rnc.store.backends import backend_of
from rnc.store.connection_per_transaction import exclusively, reading
from rnc.store.errors import StoreError, StoreWriteError
from rnc.store.errors_from_duckdb import DISK_ERRORS
from rnc.store.open_untrusted_file import open_source_and_new_target
from rnc.store.quoting import quoted_name
from rnc.store.signals_in_queries import interruption_as_raised


def compact(path: Path) -> tuple[int, int]:
    """Replace a store by a compacted copy, and return the bytes of the file before and after.

    The copy replaces the store only when its row counts agree and it is on the disk; if the process is killed before, the
    store is unchanged. Other users of the store wait meanwhile; a program that holds the file open is not waited for. Raises
    StoreError for a lake and as `reading` does, StoreWriteError if there is no space for a copy.
    """
    if not backend_of(path).is_one_file:
        raise StoreError(f"{path} represents a lake, which has no file to be compacted")
    with reading(path):  # refuses any file that this program did not make, with a message that names it
        pass
    with exclusively(path):
        made, before = path.with_name(f".{path.name}.compacted"), path.stat().st_size
        if shutil.disk_usage(path.parent).free < before:
            raise StoreWriteError(
                f"store {path} was left as it is: its compacted copy may need {before:,} bytes, and the disk has fewer free"
            )
        try:
            made.unlink(missing_ok=True)  # of a process that was killed
            _replace(path, made)
        except (OSError, *DISK_ERRORS) as error:
            raise StoreWriteError(
                f"store {path} was left as it is: no compacted copy could be written ({error})"
            ) from error
        finally:
            for left in (made, made.with_name(f"{made.name}.wal")):
                with suppress(OSError):
                    left.unlink(missing_ok=True)
        return before, path.stat().st_size


def _replace(path: Path, made: Path) -> None:
    """Copy a store into a new file, and rename it to the store's name while the old file is still locked for other programs."""
    with open_source_and_new_target(path, made) as connection, interruption_as_raised(connection):
        connection.execute("CHECKPOINT source")
        connection.execute("COPY FROM DATABASE source TO target")
        _check_same(connection, path)
        connection.execute("DETACH target")
        shutil.copymode(path, made)
        descriptor = os.open(made, os.O_RDWR | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        made.replace(path)
        _sync_folder(path.parent)


def _check_same(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'source'").fetchall()
    for (table,) in tables:
        counts = [
            connection.execute(f"SELECT count(*) FROM {database}.main.{quoted_name(table)}").fetchone()
            for database in ("source", "target")
        ]
        if counts[0] != counts[1]:
            raise StoreError(
                f"store {path} was left as it is: its copy has {counts[1]} rows of {table}, not {counts[0]}"
            )


def _sync_folder(folder: Path) -> None:
    """Write the new name to the disk, if the system supports this."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
