"""Locations of files beside a store, and checks whether they may be used. Every path built from a store's texts is built here.

A store, or the folder around it, may be untrusted: run ids and recorded paths are checked before they become a path, and
no link is followed out of the store's folder (`rnc/safe_paths.py`). All functions raise StoreError if something is
refused. A store that is reached through a link has its networks, locks and logs beside the target of the link.

Tested by tests/rnc/store/test_locks.py.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rnc.safe_paths import (
    UnsafePathError,
    checked_name,
    open_lock_file,
    open_new_replacing_old,
    open_plain_file,
    path_inside,
    quoted,
)
from rnc.store.errors import StoreError
from rnc.vocabulary import MOST_NETWORK_BYTES

_RESUME_SHARE = 3
"""Maximum size of a resume file relative to a network: it also holds momentum values for each parameter."""
RESUME_NAME = "resume.safetensors"
_CHECKPOINTS, _LOCKS, _LEFTOVERS = "checkpoints", "locks", "leftovers"
_AT_ONCE = 2**20


@contextmanager
def unsafe_is_store_error() -> Iterator[None]:
    """Raise StoreError in place of UnsafePathError."""
    try:
        yield
    except UnsafePathError as error:
        raise StoreError(str(error)) from None


def real_path(store: Path) -> Path:
    """Return a store's absolute path with all links followed; if links form a circle, the given path made absolute."""
    try:
        return store.resolve()
    except (OSError, RuntimeError):
        return store.absolute()  # opening the path reports the problem


def folder_containing_store(store: Path) -> Path:
    """Return the folder that contains a store."""
    return real_path(store).parent


def checked_run_id(run_id: object) -> str:
    """Return a run id if it can be part of a path."""
    try:
        return checked_name(run_id, "run id")
    except UnsafePathError as error:
        raise StoreError(f"{error}; it cannot be the id of a run") from None


def checkpoints_folder(store: Path) -> Path:
    """Return the folder that contains the runs' folders of networks. It need not exist."""
    return _inside(folder_containing_store(store), _CHECKPOINTS, "the folder of networks")


def networks_folder(store: Path, run_id: str) -> Path:
    """Return the folder of a run's networks. It need not exist; if it is a link, the link is not followed."""
    return checkpoints_folder(store) / checked_run_id(run_id)


def run_file(store: Path, run_id: str, name: str) -> Path:
    """Return the path of a file in the folder of a run's networks; no link on the path leads out of the store's folder."""
    return _inside(folder_containing_store(store), f"{_CHECKPOINTS}/{checked_run_id(run_id)}/{name}", "network")


def checkpoint_file(store: Path, run_id: str, epoch: int) -> Path:
    """Return the file of the network that a run keeps of an epoch."""
    return run_file(store, run_id, f"epoch-{epoch:04d}.safetensors")


def resume_file(store: Path, run_id: str) -> Path:
    """Return the file from which an unfinished run resumes."""
    return run_file(store, run_id, RESUME_NAME)


def recorded_network(store: Path, run_id: str, recorded: object) -> Path:
    """Return the path of a network that a store records for a run; only `checkpoints/RUN/NAME.safetensors` is allowed."""
    parts = recorded.split("/") if isinstance(recorded, str) else []
    if parts[:-1] != [_CHECKPOINTS, checked_run_id(run_id)] or not parts[-1].endswith(".safetensors"):
        raise StoreError(
            f"network {quoted(str(recorded))} of {run_id} is not used: the networks of a run lie in "
            f"{_CHECKPOINTS}/{run_id}, and are safetensors files"
        )
    return run_file(store, run_id, parts[-1])


def network_inside(home: Path, path: str) -> Path:
    """Return the path of a network that must be an existing plain file in the folder `home`, for example a gallery.

    `path` is absolute, or relative to `home`.
    """
    prefix = f"{home}/"
    network = _inside(home, path.removeprefix(prefix), "network")
    with open_network(network):
        return network


def open_network(path: Path) -> BinaryIO:
    """Open a network, which must be a plain file of bounded size."""
    try:
        with unsafe_is_store_error():
            most = MOST_NETWORK_BYTES * (_RESUME_SHARE if path.name == RESUME_NAME else 1)
            return open_plain_file(path, "network", most_bytes=most)
    except OSError as error:
        raise StoreError(f"network {path} cannot be read ({error.strerror})") from None


def sha256_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and the size of a network."""
    digest, size = hashlib.sha256(), 0
    with open_network(path) as file:
        while part := file.read(_AT_ONCE):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def copy_network(path: Path, target: Path) -> str:
    """Copy a network to an unused path; return the SHA-256 of the copied bytes. Also raises OSError."""
    digest = hashlib.sha256()
    with open_network(path) as file, open_new_replacing_old(target) as copy:
        while part := file.read(_AT_ONCE):
            digest.update(part)
            copy.write(part)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


def run_lock_file(store: Path, run_id: str) -> Path:
    """Return the file that the trainer of a run keeps locked."""
    return _locks_folder(store) / f"{checked_run_id(run_id)}.lock"


def store_lock_file(store: Path) -> Path:
    """Return the file that readers of a store lock shared, and writers exclusively, while they are connected."""
    return _locks_folder(store) / f"{real_path(store).name}.turn"


def lake_lock_file(store: Path) -> Path:
    """Return the file that a writer of a lake keeps locked."""
    return _locks_folder(store) / "writer.lock"


def open_lock(path: Path, *, create: bool) -> BinaryIO:
    """Open a lock file, which must be a plain file, without changing it. Also raises OSError."""
    with unsafe_is_store_error():
        return open_lock_file(path, create=create)


def folder_of_networks_without_run(store: Path) -> Path:
    """Return the folder for networks that belong to no run."""
    return _inside(folder_containing_store(store), _LEFTOVERS, "the folder of leftovers")


def is_plain_folder(path: Path) -> bool:
    """Return whether a path is a folder and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def is_plain_file(path: Path) -> bool:
    """Return whether a path is a plain file and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def remove_path(path: Path) -> None:
    """Remove a folder and its content, or a file, link or pipe, if it exists; links are not followed."""
    if is_plain_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _locks_folder(store: Path) -> Path:
    return _inside(folder_containing_store(store), _LOCKS, "the folder of locks")


def _inside(folder: Path, recorded: str, what: str) -> Path:
    with unsafe_is_store_error():
        return path_inside(folder, recorded, what)
