"""A cache of results by request key, limited in bytes; the least recently used results are dropped first."""

import threading
from collections import OrderedDict

from rnc.lab import results
from rnc.lab.results import Result


class ResultCache:
    """A cache that holds at most `most_bytes` of results and can be shared between threads."""

    def __init__(self, most_bytes: int) -> None:
        """Create an empty cache."""
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._held: OrderedDict[str, tuple[Result, int]] = OrderedDict()

    def get(self, key: str) -> Result | None:
        """Return the result of a request's key, or None if it is not cached."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: str, result: Result) -> None:
        """Store a result, unless it alone is larger than the cache."""
        size = results.size(result)
        with self._lock:
            self._held.pop(key, None)
            if size > self._most_bytes:
                return
            self._held[key] = result, size
            while sum(held for _result, held in self._held.values()) > self._most_bytes:
                self._held.popitem(last=False)

    @property
    def bytes(self) -> int:
        """The number of bytes that the cached results take."""
        with self._lock:
            return sum(size for _result, size in self._held.values())
