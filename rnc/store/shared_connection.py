"""A read-only connection shared by all threads of a process that query a store at the same time.

Opening takes most of the time of a short query, and beside several writers every opening waits for its turn. A thread that
queries while a connection is open or being opened joins it; the connection is closed as soon as its last user leaves.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import duckdb

_LONGEST_SECONDS = 0.5
"""Age of a connection, in seconds, after which no thread joins it, since writers are waiting."""
_Opening = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


class ProcessConnections:
    """The connections of this process to one store: one shared for reading, or one exclusive for writing."""

    def __init__(self) -> None:
        """Start without a connection."""
        self._changed = threading.Condition()
        self._open: tuple[duckdb.DuckDBPyConnection, ExitStack] | None = None
        self._taken = False
        self._users, self._since = 0, 0.0
        self._folder: Path | None = None
        self.exclusive_uses = 0

    @contextmanager
    def shared(self, opening: _Opening, folder: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor of the open connection, or of a new one from `opening`.

        Only threads that read files in the same `folder` share a connection: DuckDB has one configuration per file.
        """
        cursor = self._join(opening, folder)
        try:
            with cursor:
                yield cursor
        finally:
            self._leave()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep all other threads of this process from connecting: DuckDB refuses a reader beside a writer."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken and self._open is None)
            self._taken = True
        try:
            yield
        finally:
            self.exclusive_uses += 1
            self._release()

    def _join(self, opening: _Opening, folder: Path | None) -> duckdb.DuckDBPyConnection:
        with self._changed:
            self._changed.wait_for(lambda: self._may_join(folder))
            if self._open is not None:
                self._users += 1
                return self._open[0].cursor()
            self._taken, self._folder = True, folder
        stack = ExitStack()
        try:
            connection = stack.enter_context(opening())
        except BaseException:
            self._release()
            raise
        with self._changed:
            self._open, self._since, self._users = (connection, stack), time.monotonic(), 1
            self._taken = False
            self._changed.notify_all()
            return connection.cursor()

    def _may_join(self, folder: Path | None) -> bool:
        shared = folder == self._folder and time.monotonic() - self._since < _LONGEST_SECONDS
        return not self._taken and (self._open is None or shared)

    def _leave(self) -> None:
        with self._changed:
            self._users -= 1
            if self._users == 0 and self._open is not None:
                stack, self._open = self._open[1], None
                self._changed.notify_all()  # a thread that wakes up waits until this block has ended
                stack.close()

    def _release(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
