"""Results by what determines them, as many as fit: the least recently used go first."""

import threading
from collections import OrderedDict

from rnc.lab import results
from rnc.lab.results import Result


class ResultCache:
    """At most `most_bytes` of results; safe to share between threads."""

    def __init__(self, most_bytes: int) -> None:
        """Start empty."""
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._held: OrderedDict[str, tuple[Result, int]] = OrderedDict()

    def get(self, key: str) -> Result | None:
        """The result of a request's key, where it is held."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def put(self, key: str, result: Result) -> None:
        """Hold a result, unless it alone is larger than all that may be held."""
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
        """What is held now."""
        with self._lock:
            return sum(size for _result, size in self._held.values())
