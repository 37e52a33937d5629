"""A connection that a thread uses for many queries: opening one takes longer than most queries.

It is replaced a few times a second, so that writers get their turn.

Tested by tests/rnc/store/test_reader_cache.py.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import duckdb

_LONGEST_SECONDS = 0.3
"""Age of a connection after which the next query opens another one."""


class ConnectionOfBlock(threading.local):
    """The connection of this thread, within a block that asks for one."""

    def __init__(self) -> None:
        """Start outside a block."""
        self._blocks, self._since = 0, 0.0
        self._stack = ExitStack()
        self._open: duckdb.DuckDBPyConnection | None = None

    @property
    def is_entered(self) -> bool:
        """Return whether this thread is within a block."""
        return self._blocks > 0

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Use one connection for the queries within the block, which may be within another one."""
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                self._close()

    @contextmanager
    def connection(
        self,
        opening: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        prepare: Callable[[duckdb.DuckDBPyConnection], None],
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield the connection of the block, prepared for a query, or a new one outside of blocks."""
        if not self._blocks:
            with opening() as connection:
                yield connection
            return
        if self._open is not None and time.monotonic() - self._since > _LONGEST_SECONDS:
            self._close()
        try:
            if self._open is None:
                self._open, self._since = self._stack.enter_context(opening()), time.monotonic()
            else:
                prepare(self._open)
            yield self._open
        except BaseException:
            self._open = None
            if not self._stack.pop_all().__exit__(*sys.exc_info()):  # which may raise an error that says more
                raise

    def _close(self) -> None:
        self._open = None
        self._stack.close()
