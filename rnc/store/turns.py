"""Turns at a store, by a lock file beside it that waiting processes poll every few milliseconds.

Opening a busy store only to find it locked costs thousands of such polls, and a process that waits longer between two
attempts would always lose. The lock belongs to the operating system and ends with the process that holds it.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnc.store.files import open_lock

_LOOK_SECONDS = 0.02
"""Polling interval of a new process. A process that has waited longer polls more often, so that waiting times stay fair."""


@contextmanager
def turn(file: Path, patience: float, *, shared: bool = False, needed: bool = False) -> Iterator[bool]:
    """Yield whether the lock was obtained within `patience` seconds, and hold it until the block ends.

    No other process holds the lock meanwhile; with `shared`, only other sharing processes do. If the lock file cannot be
    opened or locked (a read-only folder, a disk without locks), the block runs without a lock; with `needed`, OSError is
    raised instead. Raises StoreError at once if the lock file is a link, a pipe or anything else but a plain file.
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
