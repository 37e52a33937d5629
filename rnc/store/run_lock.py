"""A lock that allows one trainer per run: a file beside the store, released by the operating system when its holder ends."""

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
    """Return the id of the process that is training a run into this store, or None. It is known only on the same machine.

    Raises StoreError for a run id that cannot be part of a path, and for a lock that is not a plain file.
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
    """Hold the lock of a run. Raises StoreError if another process is training it into this store.

    Also raised for a run id that cannot be part of a path, and if a link, a pipe or an unrelated file has the lock's name;
    nothing is written to it then.
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
    """Return the process id in a lock file, an empty text if it is empty, None for any other content."""
    file.seek(0)
    content = file.read(_MOST_BYTES + 1).strip()
    return content.decode() if not content or _PROCESS_ID.fullmatch(content) else None
