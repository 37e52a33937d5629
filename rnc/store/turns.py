"""Turns at a store, by a lock file beside it that is looked at every few milliseconds.

To open a store only to hear that another has it costs thousands of such looks; whoever waited longest between two tries came
last. The lock is the operating system's: it ends with the process that holds it.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnc.store.files import open_lock

_LOOK_SECONDS = 0.02
"""Between the looks of one who has just come. They look the more often the longer they have waited: else chance would decide."""


@contextmanager
def turn(file: Path, patience: float, *, shared: bool = False, needed: bool = False) -> Iterator[bool]:
    """Whether the turn came within so many seconds; until the block's end no other process has it, or none but sharing ones.

    Where there is nothing to lock (a folder that cannot be written to, a disk that knows no locks), it comes at once; where
    it is `needed` for more than a short wait, that raises OSError. Raises StoreError, at once, where a link, a pipe or
    anything else that is no plain file is in the place of the lock file.
    """
    try:
        if not shared:
            file.parent.mkdir(parents=True, exist_ok=True)
        opened = open_lock(file, create=not shared)
    except OSError:
        if needed:
            raise
        yield True
        return
    with opened:
        yield _locked(opened.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX, patience, needed)


def _locked(file: int, kind: int, patience: float, needed: bool) -> bool:
    begin = time.monotonic()
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if (waited := time.monotonic() - begin) > patience:
                return False
        except OSError:
            if needed:
                raise
            return True
        time.sleep(_LOOK_SECONDS / (1 + waited))
