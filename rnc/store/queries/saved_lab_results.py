"""Queries for results of the lab that are kept in the store.

Tested by tests/rnc/lab/test_saved_results.py.
"""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from rnc.store.cached_queries import CachedQueries
from rnc.store.errors import StoreError, StoreMissingError
from rnc.vocabulary import MOST_RESULT_BYTES


@dataclass(frozen=True)
class KeptResult:
    """A result of the lab as kept in the store."""

    title: str
    saved_at: datetime
    """UTC, without a time zone."""
    request: str
    """JSON."""
    content: bytes


class LabQueries:
    """Queries for results of the lab that are kept in the store."""

    def __init__(self, cached: CachedQueries) -> None:
        """Set the queries' way to the store."""
        self._cached = cached

    def results(self) -> pd.DataFrame:
        """Return key, saved_at (UTC), title, request (JSON), summary (JSON), bytes of the kept lab results, newest first."""
        return self._cached.query(
            """SELECT key, saved_at, title, request, summary, octet_length(content) AS bytes
               FROM lab_result ORDER BY saved_at DESC, key"""
        )

    def result(self, key: str) -> KeptResult | None:
        """Return one kept result with its content, or None. It is not cached, since contents are large.

        Raises StoreError if it is larger than any result that this program keeps.
        """
        size = "SELECT max(octet_length(content)) FROM lab_result WHERE key = ?"
        sql = "SELECT title, saved_at, request, content FROM lab_result WHERE key = ?"
        try:
            with self._cached.connection(sql) as connection:
                (held,) = connection.execute(size, [key]).fetchone() or (0,)
                if (held or 0) > MOST_RESULT_BYTES:
                    raise StoreError(
                        f"a kept result has {held:,} bytes; at most {MOST_RESULT_BYTES:,} are read; forget it"
                    )
                row = connection.execute(sql, [key]).fetchone()
        except StoreMissingError:
            return None
        return KeptResult(*row) if row else None
