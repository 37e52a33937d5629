"""The two kinds of stores, one DuckDB file or a lake, behind the same methods. Here alone a path decides which one it is.

Tested by tests/rnc/store/test_lake.py.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Protocol

import duckdb

from rnc.store import lake_addresses
from rnc.store.file_store import FileStore
from rnc.store.lake_store import LakeStore
from rnc.store.shared_connection import ProcessConnections


class Backend(Protocol):
    """The methods in which a DuckDB file and a lake differ."""

    path: Path
    is_one_file: ClassVar[bool]
    """True if all rows are in the file at `path`, so that it can be copied, compacted, and opened without another machine."""

    def file_begins_like_store(self) -> bool:
        """Return whether the plain file at `path` begins as a store of this kind does."""

    def connect(
        self, *, read_only: bool, folder: Path | None = None, threads: int | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection whose queries read no other files except those in `folder`. Raises StoreError."""

    def read_connection(
        self,
        connections: ProcessConnections,
        opening: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        folder: Path | None,
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return this thread's connection for reading: the shared one, or a new one from `opening`."""

    def read_lock(self) -> AbstractContextManager[object]:
        """Return the lock that a process holds while a connection for reading is open."""

    def write_lock(self) -> AbstractContextManager[object]:
        """Return the lock that a process holds while it writes. Raises StoreError, on entering too."""

    def create_file_if_missing(self) -> None:
        """Create an empty store if there is nothing at `path`. Raises StoreWriteError."""

    def back_up(self, connection: duckdb.DuckDBPyConnection, version: int) -> None:
        """Keep the content from before an upgrade of schema `version`. Raises StoreWriteError."""

    def files_state(self) -> tuple | None:
        """Return a value that changes with the store's definitions; None if no file shows such a change."""

    def is_without_definitions(self) -> bool:
        """Return True if the store's files are too small to define anything; False says nothing."""

    def checkpoint_and_return_state(self, connection: duckdb.DuckDBPyConnection) -> tuple | None:
        """Return `files_state` as it will be when a connection without an open transaction is closed."""

    def holder(self) -> str | None:
        """Return the process that keeps others from opening the store now, as `python3.12 (PID 4242)`, or None."""


def backend_of(path: Path) -> Backend:
    """Return the back end of the store at a path."""
    return LakeStore(path) if lake_addresses.is_lake(path) else FileStore(path)
