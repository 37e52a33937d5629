"""The heartbeat of a running run in the store.

Tested by tests/train/test_loop.py.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rnc.store.errors import StoreError
from rnc.store.writer import StoreWriter
from rnc.vocabulary import HEARTBEAT_SECONDS


class Heartbeat:
    """A heartbeat, written to the store at most every few seconds, however often it is requested."""

    def __init__(self, writer: StoreWriter, run_id: str, epochs_done: int = 0) -> None:
        """Start at `epochs_done` epochs; callers change the attribute of that name as epochs end."""
        self.epochs_done = epochs_done
        self._writer = writer
        self._run_id = run_id
        self._last = time.monotonic()

    def beat(self) -> None:
        """Write a heartbeat, unless one was written recently."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._writer.heartbeat(self._run_id, self.epochs_done)
            self._last = time.monotonic()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Write heartbeats from a thread during the block, for a step that cannot call `beat`, such as waiting for UMAP."""
        is_over = threading.Event()

        def beat_on() -> None:
            while not is_over.wait(HEARTBEAT_SECONDS):
                with suppress(StoreError):  # the store may be free again at the next beat
                    self.beat()

        thread = threading.Thread(target=beat_on, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
