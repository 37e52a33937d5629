"""A cache of results by request key, limited in bytes; the least recently used results are dropped first.

Tested by tests/rnc/lab/test_parts.py.
"""

import threading
from collections import OrderedDict

from rnc.lab.result_base import Result


class ResultCache:
    """A cache that holds at most `most_bytes` of results and can be shared between threads."""

    def __init__(self, most_bytes: int) -> None:
        """Create an empty cache."""
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._results: OrderedDict[str, Result] = OrderedDict()

    def get(self, key: str) -> Result | None:
        """Return the result of a request's key, or None if it is not cached."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: str, result: Result) -> None:
        """Store a result, unless it alone is larger than the cache."""
        with self._lock:
            self._results.pop(key, None)
            if result.nbytes > self._most_bytes:
                return
            self._results[key] = result
            while self._bytes() > self._most_bytes:
                self._results.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """The number of bytes that the cached results take."""
        with self._lock:
            return self._bytes()

    def _bytes(self) -> int:
        return sum(result.nbytes for result in self._results.values())
