"""The operating system's lock on an open file (flock), which ends with the last process that has the file open.

Some network disks support no locks; on them, locking raises OSError, and the caller decides whether to go on without.

Tested by tests/rnc/store/test_locks.py.
"""

import fcntl
import time

_POLL_SECONDS = 0.02
"""Polling interval at first. A process that has waited longer polls more often, so that waiting times stay fair."""


def try_lock(file: int, *, shared: bool = False, patience: float = 0.0) -> bool:
    """Lock the open file of a descriptor; return whether that succeeded within `patience` seconds.

    With `shared`, other processes may hold a shared lock too; otherwise the lock is exclusive. Raises OSError if the disk
    has no locks.
    """
    begin = time.monotonic()
    while True:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            waited = time.monotonic() - begin
            if waited > patience:
                return False
        time.sleep(_POLL_SECONDS / (1 + waited))


def wait_for_lock(file: int) -> None:
    """Lock the open file of a descriptor for this process alone, however long that takes. Raises OSError as `try_lock` does."""
    fcntl.flock(file, fcntl.LOCK_EX)
