"""One trainer a run: a lock file beside the store, released by the operating system when its holder ends."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnc.store.errors import StoreError, StoreWriteError
from rnc.store.files import lock_file, open_lock

_PROCESS_ID = re.compile(rb"\d{1,10}")
_MOST_BYTES = 64


def trainer(store: Path, run_id: str) -> str | None:
    """Return the process that trains a run into this store now, or None. Known on the machine that it runs on.

    Raises StoreError for a run id that cannot be a part of a path, and for a lock that is no plain file.
    """
    try:
        file = open_lock(lock_file(store, run_id), create=False)
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder(file) or "unknown"
    return None


@contextmanager
def run_lock(store: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run. Raises StoreError where another process is training it into this store.

    Also raised for a run id that cannot be a part of a path, and where a link, a pipe or a file of somebody else's is in the
    lock's place: nothing is written to it then.
    """
    path = lock_file(store, run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = open_lock(path, create=True)
    except OSError as error:
        raise StoreWriteError(
            f"{path} cannot be written ({error.strerror}); free space on the disk or allow writing there, then start the same "
            "command again"
        ) from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(file) or "unknown"
            raise StoreError(f"run {run_id} is being trained into {store} by process {holder}; wait for it") from None
        if _holder(file) is None:
            raise StoreError(
                f"{path} holds something else than the number of a process, and was left as it is; move it away"
            )
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def _holder(file: BinaryIO) -> str | None:
    """Return the process id that a lock file holds, an empty text where it is empty, None for anything else."""
    file.seek(0)
    content = file.read(_MOST_BYTES + 1).strip()
    return content.decode() if not content or _PROCESS_ID.fullmatch(content) else None
