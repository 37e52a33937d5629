"""Locks on files beside a store: on the store itself, for the time of one connection, and on a run, for the time of its training.

The operating system holds them and releases them when their process ends.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnc.file_locks import try_lock
from rnc.store.errors import StoreError, StoreWriteError
from rnc.store.file_locations import open_lock, run_lock_file

_PROCESS_ID = re.compile(rb"\d{1,10}")
_MOST_BYTES = 64


@contextmanager
def exclusive_lock(path: Path, patience: float, *, required: bool = False) -> Iterator[bool]:
    """Yield whether the lock was obtained within `patience` seconds, and hold it until the block ends: no other process does.

    Opening a busy store only to find it in use costs thousands of polls of a lock, and a process that waits longer between two
    attempts would always lose; therefore users of a store wait here.

    If the lock file cannot be opened or locked (a read-only folder, a disk without locks), the block runs without a lock; with
    `required`, OSError is raised instead. Raises StoreError at once if it is a link, a pipe or anything else but a plain file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = open_lock(path, create=True)
    except OSError:
        if required:
            raise
        yield True
        return
    with opened as file:
        yield _is_obtained(file, patience, shared=False, required=required)


@contextmanager
def shared_lock(path: Path, patience: float) -> Iterator[bool]:
    """Yield as `exclusive_lock` does, but other processes may share the lock, and no lock file is created."""
    try:
        opened = open_lock(path, create=False)
    except OSError:
        yield True
        return
    with opened as file:
        yield _is_obtained(file, patience, shared=True, required=False)


def _is_obtained(file: BinaryIO, patience: float, *, shared: bool, required: bool) -> bool:
    try:
        return try_lock(file.fileno(), shared=shared, patience=patience)
    except OSError:
        if required:
            raise
        return True


def training_process(store: Path, run_id: str) -> str | None:
    """Return the id of the process that is training a run into this store, or None. It is known only on the same machine.

    Raises StoreError for a run id that cannot be part of a path, and for a lock that is not a plain file.
    """
    try:
        file = open_lock(run_lock_file(store, run_id), create=False)
    except OSError:
        return None
    with file:
        return None if try_lock(file.fileno(), shared=True) else _recorded_process(file) or "unknown"


@contextmanager
def run_lock(store: Path, run_id: str) -> Iterator[None]:
    """Hold the lock of a run. Raises StoreError if another process is training it into this store.

    Also raised for a run id that cannot be part of a path, and if a link, a pipe or an unrelated file has the lock's name;
    nothing is written to it then.
    """
    path = run_lock_file(store, run_id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = open_lock(path, create=True)
    except OSError as error:
        raise StoreWriteError(
            f"{path} cannot be written ({error.strerror}); free space on the disk or allow writing there, then start the same "
            "command again"
        ) from None
    with opened as file:
        if not try_lock(file.fileno()):
            process = _recorded_process(file) or "unknown"
            raise StoreError(f"run {run_id} is being trained into {store} by process {process}; wait for it")
        if _recorded_process(file) is None:
            raise StoreError(
                f"{path} holds something else than the number of a process, and was left as it is; move it away"
            )
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


def _recorded_process(file: BinaryIO) -> str | None:
    """Return the process id in a lock file, an empty text if it is empty, None for any other content."""
    file.seek(0)
    content = file.read(_MOST_BYTES + 1).strip()
    return content.decode() if not content or _PROCESS_ID.fullmatch(content) else None
