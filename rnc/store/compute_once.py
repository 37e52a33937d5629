"""Locks by key: of several threads that want the same, one computes it, and the others wait and find it kept.

Tested by tests/rnc/store/test_reader_cache.py.
"""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class _CountedLock:
    lock: threading.RLock = field(default_factory=threading.RLock)
    users: int = 0


class LocksByKey:
    """Locks by key; each exists for as long as a thread holds it or waits for it."""

    def __init__(self) -> None:
        """Start without a lock."""
        self._guard = threading.Lock()
        self._locks: dict[Hashable, _CountedLock] = {}

    @contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Wait until no other thread is in this block with an equal key."""
        with self._guard:
            counted = self._locks.setdefault(key, _CountedLock())
            counted.users += 1
        try:
            with counted.lock:
                yield
        finally:
            with self._guard:
                counted.users -= 1
                if not counted.users:
                    del self._locks[key]
