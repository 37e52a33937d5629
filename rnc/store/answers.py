"""Cached answers to SQL: the part of a reader that knows files and not tables.

The file's (mtime, size) is asked first and the file opened only when that has changed, so that polling does not starve
the writer; results are cached, connections never. Results are shared: do not change them in place.
"""

import re
import textwrap
import threading
from collections import OrderedDict
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from rnc.store.bundle import published, reading_beside
from rnc.store.connection import StoreMissingError, reading

_CACHED_ANSWERS = 256
_Version = tuple[int, ...]
_COLUMNS_WITHOUT_STORE = [
    "run_id",
    "epoch",
    "state",
    "role",
    "shown",
    "condition",
    "metric",
    "value",
    "method",
    "split",
    "means",
    "milestone",
    "key",
    "saved_at",
    "title",
    "request",
    "summary",
    "bytes",
]


class CachedAnswers:
    """Asks one store file, and the published runs beside it. Safe to share between threads."""

    def __init__(self, path: Path, gallery: Path | None = None) -> None:
        """Name the store, and a folder of published runs; where neither exists yet, every answer is empty.

        The store may itself be such a folder: then its runs are all there is.
        """
        if path.is_dir() and published(path):
            path, gallery = path / "rnc.duckdb", path
        self.path, self._gallery = path, gallery
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple, pd.DataFrame] = OrderedDict()

    def version(self) -> _Version:
        """What changes when the store does: mtime and size of the file, of its write-ahead log and of the gallery's folder."""
        parts: list[int] = []
        for path in (self.path, self.path.with_name(self.path.name + ".wal"), *filter(None, [self._gallery])):
            try:
                stat = path.stat()
                parts += [stat.st_mtime_ns, stat.st_size]
            except FileNotFoundError:
                parts += [0, 0]
        return tuple(parts)

    def _connection(self, sql: str) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return reading(self.path) if self._gallery is None else reading_beside(self.path, self._gallery, sql)

    def _ask(self, sql: str, *arguments: Any, **named: Any) -> pd.DataFrame:
        """The cached answer, or a new one; empty where there is no store yet. `attrs["sql"]` is what people can ask by hand."""
        key = (self.version(), sql, repr((arguments, named)))
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        try:
            with self._connection(sql) as connection:
                answer = connection.execute(sql, named or list(arguments)).df()
                answer.attrs["sql"] = as_text(sql, *arguments, **named)
        except StoreMissingError:
            return pd.DataFrame(columns=_COLUMNS_WITHOUT_STORE)
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > _CACHED_ANSWERS:
                self._answers.popitem(last=False)
        return answer


def as_text(sql: str, *arguments: Any, **named: Any) -> str:
    """A query with its arguments written into it (strings, whole numbers and lists of them), to be read and asked by hand."""
    given = iter(arguments)
    lines = textwrap.dedent("    " * 4 + sql).strip()
    return re.sub(r"\?|\$(\w+)", lambda hole: _literal(named[hole[1]] if hole[1] else next(given)), lines)


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'" if isinstance(value, str) else str(value)
