"""A store in one DuckDB file (`backends.Backend`). While a process writes to the file, no other process can open it.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""

import logging
import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import duckdb

from rnc.store.backup import back_up
from rnc.store.errors import StoreError
from rnc.store.errors_from_duckdb import (
    DISK_ERRORS,
    busy_store,
    failed_backup,
    is_disk_refusal,
    is_lock_conflict,
    lock_holder,
    missing_store,
    refused_by_disk,
    unusable_store,
)
from rnc.store.file_locations import store_lock_file
from rnc.store.locks import exclusive_lock, shared_lock
from rnc.store.open_untrusted_file import begins_as_duckdb, check_is_database, open_database
from rnc.store.shared_connection import ProcessConnections

_PATIENCE_SECONDS = 30.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.01, 0.5  # for programs that do not use the lock file
_HEADER_BYTES = 3 * 4096
_SIZE = 2
"""The place of the size in the state of a file."""
_LOG = logging.getLogger("rnc.store")


class FileStore:
    """A store in one DuckDB file."""

    is_one_file: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        """Set the file's path; nothing is opened."""
        self.path = path

    def file_begins_like_store(self) -> bool:
        """Return whether the file begins as a DuckDB file does."""
        return begins_as_duckdb(self.path)

    def connect(
        self, *, read_only: bool, folder: Path | None = None, threads: int | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Connect; wait with random intervals while another process holds the file."""
        if read_only and not self.path.exists():
            raise missing_store(self.path)
        deadline, wait = time.monotonic() + _PATIENCE_SECONDS, _FIRST_WAIT_SECONDS
        while True:
            try:
                return open_database(self.path, read_only=read_only, folder=folder, threads=threads)
            except duckdb.Error as error:
                if not is_lock_conflict(error):
                    raise unusable_store(self.path, error, read_only=read_only) from None
                if time.monotonic() > deadline:
                    raise busy_store(self.path, _PATIENCE_SECONDS, error) from None
            time.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    def read_connection(
        self,
        connections: ProcessConnections,
        opening: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        folder: Path | None,
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return the connection that the threads of this process share."""
        return connections.shared(opening, folder)

    def read_lock(self) -> AbstractContextManager[object]:
        """Return the lock that readers share."""
        return shared_lock(store_lock_file(self.path), _PATIENCE_SECONDS)

    def write_lock(self) -> AbstractContextManager[object]:
        """Return a lock that shortens the wait: DuckDB itself locks out other processes."""
        check_is_database(self.path)  # before a folder is created beside a path that may be anything
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise refused_by_disk(self.path, error, read_only=False) from None
        return exclusive_lock(store_lock_file(self.path), _PATIENCE_SECONDS)

    def create_file_if_missing(self) -> None:
        """Create an empty DuckDB file under a temporary name, and give it its name when it is complete.

        If this is impossible (no hard links, or another process was first), nothing is created here: connecting creates the
        file in place, or uses the other one. Raises StoreWriteError if the disk refuses: connecting would leave an invalid file
        that blocks the next attempt.
        """
        if self.path.exists():
            return
        try:
            with tempfile.TemporaryDirectory(prefix=f".{self.path.name}-", dir=self.path.parent) as folder:
                complete = Path(folder) / self.path.name
                open_database(complete).close()
                os.link(complete, self.path)
        except (OSError, duckdb.Error) as error:
            if is_disk_refusal(error):
                raise refused_by_disk(self.path, error, read_only=False) from None

    def back_up(self, connection: duckdb.DuckDBPyConnection, version: int) -> None:
        """Copy the file before an upgrade; without the copy there is no upgrade."""
        try:
            connection.execute("CHECKPOINT")  # moves all data into the one file that is copied
            copy = back_up(self.path, version)
            _LOG.info("store copied before its upgrade", extra={"fields": {"copy": copy, "version": version}})
        except (OSError, *DISK_ERRORS) as error:
            raise failed_backup(self.path, version, error) from error

    def files_state(self) -> tuple:
        """Return the state of the file and of its write-ahead log."""
        return tuple(_state(file) for file in (self.path, self.path.with_name(self.path.name + ".wal")))

    def is_without_definitions(self) -> bool:
        """Return whether the file has only DuckDB's headers: whatever a file defines is in the blocks after them."""
        file, log = self.files_state()
        return bool(file) and file[_SIZE] <= _HEADER_BYTES and not log

    def checkpoint_and_return_state(self, connection: duckdb.DuckDBPyConnection) -> tuple:
        """Move the write-ahead log into the file, as closing would do, and return the state of both."""
        state = self.files_state()
        if state[1]:
            connection.execute("CHECKPOINT")
            state = self.files_state()
        return state

    def holder(self) -> str | None:
        """Return the process that has the file open for writing. No thread of this process may have it open."""
        try:
            open_database(self.path, read_only=True).close()
        except duckdb.Error as error:
            return lock_holder(error) if is_lock_conflict(error) else None
        except StoreError:
            return None  # not a file that a process could hold
        return None


def _state(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns  # users cannot set the last
    except OSError:
        return ()
