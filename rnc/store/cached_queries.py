"""Cached answers to SQL queries: the part of a reader that knows files and not tables.

The file's (mtime, size) is checked first, and the file is opened only if it has changed, so that polling does not block
the writer. Results are cached, connections are not. Results are shared: do not change them in place.
"""

import re
import textwrap
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa

from rnc.safe_paths import quoted
from rnc.store.compute_once import LocksByKey
from rnc.store.connection_per_transaction import open_empty_store_in_memory, reading, writes_of_this_process
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.errors_from_duckdb import out_of_memory
from rnc.store.kept_connection import ConnectionOfBlock
from rnc.store.published_reader import (
    PUBLISHED_TABLES,
    add_views_of_published_rows,
    is_published_folder,
    leave_out_damaged_runs,
    published_runs,
    reading_beside,
)
from rnc.store.quoting import quoted_text
from rnc.store.signals_in_queries import interruption_as_raised

_CACHED_ANSWERS, _CACHED_BYTES = 256, 2**30
"""Maximum number and bytes of cached answers; the newest is kept whatever its size."""
MOST_ANSWER_ROWS, MOST_ANSWER_BYTES = 5_000_000, 2**30
"""Maximum size of one answer. The largest of a store of 1,500 runs has 600,000 rows."""
MOST_SECONDS = 20.0
"""Maximum time of one query. The slowest on a store of 1,500 runs takes about one second."""
_ROWS_AT_ONCE = 2048
_KEYS = {
    "run": "run_id", "condition": "condition", "run_mark": "run_id", "run_condition": "run_id, condition",
    "layer": "run_id, layer", "checkpoint": "run_id, epoch",
}  # fmt: skip
"""The key columns of the tables that queries join; a duplicated row would multiply the rows of the answer."""
_LONGEST_HELD_SECONDS = 5.0
"""Time after which the newest version of a store is asked, also within a page that takes longer."""
_Version = tuple[int, ...]


class _Held(NamedTuple):
    """A version of the store that is asked for some time."""

    version: _Version
    since: float
    writes: int
    """Number of times that this process had written until then."""


_NOT_HELD = _Held((), 0.0, -1)


class CachedQueries:
    """Queries to one store file and the published runs beside it. Safe to share between threads."""

    def __init__(self, path: Path, gallery: Path | None = None) -> None:
        """Set the paths of the store and of a folder of published runs; if neither exists yet, every answer is empty.

        The store may itself be such a folder; then only its runs are read.
        """
        if is_published_folder(path):
            path, gallery = path / "rnc.duckdb", path
        self.path, self.gallery = path, gallery
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple, pd.DataFrame] = OrderedDict()
        self._checked: dict[str, _Version] = {}
        self._locks, self._block = LocksByKey(), ConnectionOfBlock()
        self._holders, self._held = 0, _NOT_HELD

    @contextmanager
    def one_version(self) -> Iterator[None]:
        """Ask one version of the store within this block, although other processes go on writing.

        Threads that are in such a block at the same time share a version, which is replaced by the newest one after some seconds.
        What this process itself writes is seen at once.
        """
        with self._lock:
            self._held = self._held if self._holders else _NOT_HELD
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1

    def version(self) -> _Version:
        """Return a value that changes with the store and the gallery folder."""
        if not self._holders:
            return self._version_now()
        held, now, writes = self._held, time.monotonic(), writes_of_this_process(self.path)
        if held.writes != writes or now - held.since > _LONGEST_HELD_SECONDS:
            self._held = held = _Held(self._version_now(), now, writes)
        return held.version

    def _version_now(self) -> _Version:
        """Return mtime and size of the file, of its write-ahead log and of the gallery folder."""
        parts: list[int] = []
        for path in (self.path, self.path.with_name(self.path.name + ".wal"), *filter(None, [self.gallery])):
            try:
                stat = path.stat()
                parts += [stat.st_mtime_ns, stat.st_size]
            except FileNotFoundError:
                parts += [0, 0]
        return tuple(parts)

    def left_out(self) -> dict[str, str]:
        """Return the published runs that are not read: the name of each one's folder, and the reason."""
        return {} if self.gallery is None else published_runs(self.gallery).left_out

    def connection(self, sql: str) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return a connection for a query, whose tables have the rows of the published runs, too. Raises as `reading` does."""
        tables = _tables(sql)
        return self._block.connection(partial(self._opened, tables), partial(self._lay_beside, tables))

    def _opened(self, tables: frozenset[str]) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return reading(self.path) if self.gallery is None else reading_beside(self.path, self.gallery, tables)

    def _lay_beside(self, tables: frozenset[str], connection: duckdb.DuckDBPyConnection) -> None:
        if self.gallery is not None:
            add_views_of_published_rows(connection, self.gallery, tables)

    def kept_open(self) -> AbstractContextManager[None]:
        """Return a block of many queries by this thread, for which the store is opened a few times a second, not each time."""
        return self._block.kept_open()

    @property
    def is_kept_open(self) -> bool:
        """True if this thread is within such a block, in which it must not wait for another thread."""
        return self._block.is_entered

    def query(self, sql: str, *arguments: Any, **named: Any) -> pd.DataFrame:
        """Return the cached answer, or a new one; that of a store without rows if there is no store yet.

        `attrs["sql"]` is the query as people can run it themselves.
        """
        key = (self.version(), sql, repr((arguments, named)))
        # Whoever keeps the store open waits for nobody: the other thread could be waiting for the store to be closed.
        with nullcontext() if self.is_kept_open else self._locks.of(key):
            with self._lock:
                if key in self._answers:
                    self._answers.move_to_end(key)
                    return self._answers[key]
            answer = self._answer(sql, named or list(arguments))
            answer.attrs["sql"] = sql_with_arguments_inserted(sql, *arguments, **named)
            self._keep(key, answer)
        return answer

    def _keep(self, key: tuple, answer: pd.DataFrame) -> None:
        with self._lock:
            self._answers[key] = answer
            size = sum(one.attrs["bytes"] for one in self._answers.values())
            while len(self._answers) > 1 and (len(self._answers) > _CACHED_ANSWERS or size > _CACHED_BYTES):
                size -= self._answers.popitem(last=False)[1].attrs["bytes"]

    def query_uncached(self, sql: str, *arguments: Any, **named: Any) -> pd.DataFrame:
        """Return a new answer, which is not kept, to a query whose answer is large and is read once."""
        return self._answer(sql, named or list(arguments))

    def _answer(self, sql: str, arguments: list[Any] | dict[str, Any]) -> pd.DataFrame:
        """Query the store, or one without rows if there is none."""
        try:
            return self._answer_of_undamaged(sql, arguments)
        except StoreMissingError:
            with _kept_empty_store().cursor() as connection, interruption_as_raised(connection):
                return bounded(connection, self.path, sql, arguments)

    def _answer_of_undamaged(self, sql: str, arguments: list[Any] | dict[str, Any]) -> pd.DataFrame:
        """Query the store; if published runs turn out to be damaged, query again without them."""
        try:
            return self._answer_once(sql, arguments)
        except (StoreError, duckdb.Error) as error:
            if isinstance(error, StoreMissingError) or self.gallery is None:
                raise
            if not leave_out_damaged_runs(self.gallery, _tables(sql)):
                raise
        return self._answer_once(sql, arguments)

    def _answer_once(self, sql: str, arguments: list[Any] | dict[str, Any]) -> pd.DataFrame:
        with self.connection(sql) as connection:
            version = self.version()
            for table in sorted(_tables(sql) & _KEYS.keys()):
                if self._checked.get(table) != version:
                    _check_key(connection, self.path, table)
                    self._checked[table] = version
            return bounded(connection, self.path, sql, arguments)


@cache
def _kept_empty_store() -> duckdb.DuckDBPyConnection:
    """Return a connection to an empty store that stays open: opening one takes longer than most queries."""
    return open_empty_store_in_memory()


def _check_key(connection: duckdb.DuckDBPyConnection, path: Path, table: str) -> None:
    key = _KEYS[table]
    doubled = connection.execute(
        f"SELECT concat_ws(', ', {key}), count(*) FROM {table} GROUP BY {key} HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    if doubled:
        raise StoreError(
            f"table {table} of {path} has {doubled[1]:,} rows of {quoted(str(doubled[0]))}, where there should be one; the store "
            "was changed by hand or made by another program, and is not read"
        )


def bounded(
    connection: duckdb.DuckDBPyConnection, path: Path, sql: str, arguments: list[Any] | dict[str, Any]
) -> pd.DataFrame:
    """Return the answer to a query.

    Raises StoreError for an answer of too many rows or bytes before all of it is in memory, and for a query that takes too
    long.
    """
    timer = threading.Timer(MOST_SECONDS, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        reader = connection.execute(f"{sql}\nLIMIT {MOST_ANSWER_ROWS + 1}", arguments).to_arrow_reader(_ROWS_AT_ONCE)
        batches, rows, size = [], 0, 0
        for batch in reader:
            batches.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows > MOST_ANSWER_ROWS or size > MOST_ANSWER_BYTES:
                raise StoreError(
                    f"an answer of store {path} is too large: more than {MOST_ANSWER_ROWS:,} rows or "
                    f"{MOST_ANSWER_BYTES // 2**20:,} MiB (from {', '.join(sorted(_tables(sql))) or 'its tables'}); "
                    "choose fewer runs, or ask the store in SQL"
                )
        answer = connection.from_arrow(pa.Table.from_batches(batches, reader.schema)).df()
        answer.attrs["bytes"] = size
        return answer
    except duckdb.InterruptException as error:
        raise StoreError(
            f"a question to store {path} takes more than {MOST_SECONDS:g} s (of {', '.join(sorted(_tables(sql)))}); choose fewer "
            "runs, or ask the store in SQL"
        ) from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise out_of_memory(path, error) from error
    finally:
        timer.cancel()


def _tables(sql: str) -> frozenset[str]:
    """Return the tables that a query names."""
    return frozenset(table for table in PUBLISHED_TABLES if re.search(rf"\b{table}\b", sql))


def sql_with_arguments_inserted(sql: str, *arguments: Any, **named: Any) -> str:
    """Return a query with its arguments (strings, whole numbers and lists of them) inserted, to be read and run by people."""
    given = iter(arguments)
    lines = textwrap.dedent("    " * 4 + sql).strip()
    return re.sub(r"\?|\$(\w+)", lambda hole: _sql_literal(named[hole[1]] if hole[1] else next(given)), lines)


def _sql_literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_sql_literal, value))}]"
    return quoted_text(value) if isinstance(value, str) else str(value)
