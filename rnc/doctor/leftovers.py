"""What lies around a store and belongs to nothing: half-written files, and networks of runs that are gone from it."""

import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rnc.doctor.finding import Finding, Level
from rnc.store.connection import StoreError
from rnc.store.reader import StoreReader
from rnc.store.run_lock import trainer
from rnc.vocabulary import STALE_SECONDS

SET_ASIDE = "leftovers"
"""The folder beside the store into which networks are moved."""


def examine_leftovers(store: Path) -> Iterator[Finding]:
    """Files nobody finishes any more are removed; whole networks are moved aside, since they may be somebody's."""
    for path in half_written(store):
        yield Finding(Level.TROUBLE, f"{path} was never finished by whoever wrote it", partial(_remove, path))
    try:
        known = set(StoreReader(store).runs()["run_id"])
    except StoreError:
        return  # (said elsewhere; without the store nobody knows whose they are)
    if not store.exists():
        return
    others = [other for other in store.parent.glob("*.duckdb") if other != store and not _is_copy(other, store)]
    for folder in sorted((store.parent / "checkpoints").glob("*/")):
        if folder.name in known or trainer(store, folder.name):
            continue
        text = f"{folder} belongs to no run of {store}"
        if others:
            yield Finding(Level.NOTE, f"{text}; perhaps to one of {others[0].name}, which lies beside it")
        else:
            yield Finding(Level.TROUBLE, text, partial(_set_aside, folder, store.parent / SET_ASIDE))


def half_written(store: Path) -> list[Path]:
    """Temporary files and folders by the store or beside networks that nobody has touched for a while."""
    candidates = [*store.parent.glob(f".{store.name}-*"), *store.parent.glob("*.partial")]
    for folder in (store.parent / "checkpoints").glob("*/"):
        if not trainer(store, folder.name):
            candidates += folder.glob("*.partial")
    oldest_alive = time.time() - STALE_SECONDS
    return sorted(path for path in candidates if path.lstat().st_mtime < oldest_alive)


def _is_copy(other: Path, store: Path) -> bool:
    return other.name.startswith(f"{store.stem}-v")


def _remove(path: Path) -> str:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return f"removed {path}"


def _set_aside(folder: Path, place: Path) -> str:
    place.mkdir(exist_ok=True)
    target = place / folder.name
    number = 1
    while target.exists():
        number += 1
        target = place / f"{folder.name}-{number}"
    folder.rename(target)
    return f"moved {folder} to {target}; delete it when you are sure"
