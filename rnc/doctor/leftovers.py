"""Leftovers around a store: incomplete files, and networks of runs that are no longer in it.

Only files that this program certainly made for this store are changed: files and folders with exactly the names of its
incomplete ones, and folders of networks if no other store lies beside it. Everything else is only reported.

Tested by tests/rnc/doctor/test_doctor.py.
"""

import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rnc.doctor.finding import Finding, Level
from rnc.safe_paths import UnsafePathError, open_plain_file
from rnc.store.errors import StoreError
from rnc.store.file_locations import (
    checkpoints_folder,
    folder_containing_store,
    folder_of_networks_without_run,
    is_plain_file,
    is_plain_folder,
    remove_path,
)
from rnc.store.locks import training_process
from rnc.store.networks_shared_by_stores import other_stores
from rnc.store.reader import StoreReader
from rnc.vocabulary import STALE_SECONDS

_PARTIAL_NETWORK = re.compile(r"\.?(epoch-\d{1,10}|resume)\.safetensors\.partial")
_NETWORK = re.compile(r"(epoch-\d{1,10}|resume)\.safetensors")
_DELETED = re.compile(r"\..+\.deleted")
_MOST_HEADER = 16 * 2**20
"""Maximum bytes of the header of a safetensors file; this program's networks have far smaller headers."""


def examine_leftovers(store: Path) -> Iterator[Finding]:
    """Yield abandoned files, to be removed, and complete networks, to be moved aside, since the user may need them."""
    if not store.exists():  # none of the files can belong to a missing store
        return
    try:
        known = set(StoreReader(store).runs.all()["run_id"])
        others = other_stores(store)
        for path in _incomplete_files(store, known, others):
            yield Finding(
                Level.TROUBLE,
                f"{path} is an incomplete file or folder, left by a process that ended",
                partial(_remove, path),
            )
        yield from _unknown_networks(store, known, others)
    except StoreError as error:
        yield Finding(Level.NOTE, f"the files beside {store} were not examined: {error}")


def _unknown_networks(store: Path, known: set[str], others: list[Path]) -> Iterator[Finding]:
    """Yield folders of networks that belong to no run of the store, and whether they can have belonged to one."""
    for folder in _run_folders(store):
        text = f"{folder} belongs to no run of {store}"
        if folder.name in known:
            continue
        if others:
            yield Finding(
                Level.NOTE, f"{text}; it may belong to a run of {others[0].name}, another store in the same folder"
            )
        elif not _holds_only_our_networks(folder):
            yield Finding(Level.NOTE, f"{text}, and contains other files than networks; it is not changed")
        elif not training_process(store, folder.name):
            yield Finding(Level.TROUBLE, text, partial(_move_aside, folder, store))


def _run_folders(store: Path) -> list[Path]:
    """Return the plain folders in the folder of networks, without hidden ones."""
    place = checkpoints_folder(store)
    folders = place.iterdir() if is_plain_folder(place) else ()
    return sorted(path for path in folders if is_plain_folder(path) and not path.name.startswith("."))


def _holds_only_our_networks(folder: Path) -> bool:
    """Return whether all files in a folder are networks that this program wrote for the run of that name."""
    files = list(folder.iterdir())
    return bool(files) and all(_is_our_network(file) for file in files)


def _is_our_network(file: Path) -> bool:
    if not _NETWORK.fullmatch(file.name):
        return False
    metadata = _metadata(file)
    if file.name.startswith("resume"):  # a resume file does not name its run
        return isinstance(metadata.get("progress"), str)
    try:
        return bool(json.loads(str(metadata["config"]))["run_id"] == file.parent.name)
    except (KeyError, TypeError, ValueError, RecursionError):
        return False


def _metadata(file: Path) -> dict[str, object]:
    """Return the metadata in the header of a safetensors file, which is eight bytes of length followed by JSON."""
    try:
        with open_plain_file(file, "network") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length)) if length <= _MOST_HEADER else {}
        metadata = header["__metadata__"]
    except (UnsafePathError, OSError, KeyError, TypeError, ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def _incomplete_files(store: Path, known: set[str], others: list[Path]) -> list[Path]:
    """Return this store's temporary files and folders that have not changed for a while.

    Those of unknown runs are left out if another store lies beside this one, since they may belong to it.
    """
    if not store.parent.is_dir():
        return []
    paths = [path for path in folder_containing_store(store).iterdir() if _is_partial_store(path, store)]
    for folder in _run_folders(store):
        partial_files = [
            path for path in folder.iterdir() if _PARTIAL_NETWORK.fullmatch(path.name) and is_plain_file(path)
        ]
        if partial_files and (folder.name in known or not others) and not training_process(store, folder.name):
            paths += partial_files
    place = checkpoints_folder(store)
    if not others and is_plain_folder(place):
        paths += [path for path in place.iterdir() if _DELETED.fullmatch(path.name) and _holds_only_networks(path)]
    oldest_alive = time.time() - STALE_SECONDS
    return sorted(path for path in paths if path.lstat().st_mtime < oldest_alive)


def _is_partial_store(path: Path, store: Path) -> bool:
    """Return whether a path is a incomplete store, or a incomplete copy of it from before an upgrade."""
    name, stem, suffix = (re.escape(text) for text in (store.name, store.stem, store.suffix))
    if re.fullmatch(rf"{stem}-v\d+-\d{{4}}-\d\d-\d\d(-\d+)?{suffix}\.partial", path.name):
        return is_plain_file(path)
    if not re.fullmatch(rf"\.{name}-[a-z0-9_]{{8}}", path.name) or not is_plain_folder(path):
        return False
    return all(is_plain_file(file) and file.name.startswith(store.name) for file in path.iterdir())


def _holds_only_networks(folder: Path) -> bool:
    """Return whether a folder renamed for deletion holds only files of networks."""
    if not is_plain_folder(folder):
        return False
    names = (_NETWORK, _PARTIAL_NETWORK)
    return all(is_plain_file(file) and any(name.fullmatch(file.name) for name in names) for file in folder.iterdir())


def _remove(path: Path) -> str:
    remove_path(path)
    return f"removed {path}"


def _move_aside(folder: Path, store: Path) -> str:
    place = folder_of_networks_without_run(store)
    place.mkdir(exist_ok=True)
    target = place / folder.name
    number = 1
    while target.is_symlink() or target.exists():
        number += 1
        target = place / f"{folder.name}-{number}"
    folder.rename(target)
    return f"moved {folder} to {target}; delete it when you no longer need it"
