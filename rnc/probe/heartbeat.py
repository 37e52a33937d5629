"""The sign of life of a run under way, in the store."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rnc.store.connection import StoreError
from rnc.store.writer import StoreWriter
from rnc.vocabulary import HEARTBEAT_SECONDS


class Heart:
    """Beats into the store every few seconds, however often it is asked to."""

    def __init__(self, writer: StoreWriter, run_id: str, epochs_done: int = 0) -> None:
        """Start at an epoch."""
        self._writer, self._run_id, self._last, self.epochs_done = writer, run_id, time.monotonic(), epochs_done

    def beat(self) -> None:
        """Tell the store that this run lives, if it has not been told lately."""
        if time.monotonic() - self._last >= HEARTBEAT_SECONDS:
            self._writer.heartbeat(self._run_id, self.epochs_done)
            self._last = time.monotonic()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat from beside the block, a step that cannot be asked in between, such as waiting for UMAP."""
        over = threading.Event()

        def beat_on() -> None:
            while not over.wait(HEARTBEAT_SECONDS):
                with suppress(StoreError):  # (the next beat may find the store free again)
                    self.beat()

        beside = threading.Thread(target=beat_on, name="heart", daemon=True)
        beside.start()
        try:
            yield
        finally:
            over.set()
            beside.join()
