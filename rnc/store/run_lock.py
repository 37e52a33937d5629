"""One trainer a run: a lock file beside the store, released by the operating system when its holder ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnc.store.connection import StoreError, StoreWriteError


def trainer(store: Path, run_id: str) -> str | None:
    """The process that trains a run into this store now, or None. Known on the machine that it runs on."""
    try:
        file = (store.parent / "locks" / f"{run_id}.lock").open()
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "unknown"
    return None


@contextmanager
def run_lock(store: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run. Raises StoreError where another process is training it into this store."""
    path = store.parent / "locks" / f"{run_id}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+")
    except OSError as error:
        raise StoreWriteError(
            f"{path} cannot be written ({error.strerror}); free space on the disk or allow writing there, then start the same "
            "command again"
        ) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StoreError(f"run {run_id} is being trained into {store} by process {holder}; wait for it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
