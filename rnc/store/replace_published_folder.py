"""The folder of a published run: written under a hidden name, and renamed in place of an older one when it is complete.

Only the results of exports are removed or replaced: plain folders that hold only files with an export's names. The next
export cleans up after one that was killed.

Tested by tests/rnc/store/test_publish_run.py.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnc.file_locks import try_lock
from rnc.store.errors import StoreError
from rnc.store.file_locations import is_plain_file, is_plain_folder

CARD = "README.md"
_HIDDEN = re.compile(r"\.(?P<run>.+)\.(?P<kind>partial|older)")
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def run_folder(folder: Path, run_id: str, tables: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder; if the block succeeds, it becomes `folder/run_id` and replaces an older copy.

    `run_id` must be a checked name; `tables` are the tables that a published run may have. Raises StoreError, and changes
    nothing, if anything but a published run has that name, or if another process is exporting the run.
    """
    final, partial, older = folder / run_id, _hidden(folder, run_id, "partial"), _hidden(folder, run_id, "older")
    folder.mkdir(parents=True, exist_ok=True)
    clean_up_killed_exports(folder, tables)
    for path in (final, partial, older):
        _refuse_other_content(path, tables, complete=path == final)
    with _claimed(partial):
        try:
            yield partial
            if final.exists():  # a folder with files cannot be replaced in one step
                final.rename(older)
            partial.rename(final)
        finally:
            if older.exists() and not final.exists():
                older.rename(final)
            shutil.rmtree(older, ignore_errors=True)
            shutil.rmtree(partial, ignore_errors=True)


def clean_up_killed_exports(folder: Path, tables: Collection[str]) -> None:
    """Remove the remains of killed exports from a folder; restore the older copy of a run that had just been renamed.

    Files of an export that is still running in another process stay.
    """
    remains = [(path, match) for path in folder.iterdir() if (match := _HIDDEN.fullmatch(path.name))]
    ended = {match["run"] for _path, match in remains if not _is_exported_now(_hidden(folder, match["run"], "partial"))}
    for path, match in remains:
        ours = _is_of_an_export(path, tables, complete=match["kind"] == "older") and any(path.iterdir())
        if not ours or match["run"] not in ended:
            continue
        final = folder / match["run"]
        if match["kind"] == "older" and not os.path.lexists(final):
            path.rename(final)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _hidden(folder: Path, run_id: str, kind: str) -> Path:
    return folder / f".{run_id}.{kind}"


def _refuse_other_content(path: Path, tables: Collection[str], *, complete: bool) -> None:
    if os.path.lexists(path) and not _is_of_an_export(path, tables, complete=complete):
        raise StoreError(
            f"{path} is in the way and was left as it is: it is no folder that an export made, or holds other files, too; "
            "move it away or name another folder"
        )


def _is_of_an_export(path: Path, tables: Collection[str], *, complete: bool) -> bool:
    """Return whether a path is a plain folder that holds only an export's plain files, and `run.parquet` if `complete` is set."""
    if not is_plain_folder(path):
        return False
    names = {file.name for file in path.iterdir()}
    known = {CARD, *(f"{table}.parquet" for table in tables)}
    if not all(is_plain_file(path / name) for name in names):
        return False
    others = {name for name in names - known if not name.endswith(".safetensors")}
    return not others and ("run.parquet" in names or not complete)


@contextmanager
def _claimed(partial: Path) -> Iterator[None]:
    """Create a folder, replacing an old one, and hold its lock, which shows other exports that it is being written."""
    if _is_exported_now(partial):
        raise StoreError(f"{partial} is written by another process that exports this run; wait for it")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    descriptor = os.open(partial, _OPEN_FOLDER)
    try:
        with suppress(OSError):  # a disk without locks
            try_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_exported_now(partial: Path) -> bool:
    """Return whether another process holds the lock of a folder; True if this cannot be determined."""
    if not is_plain_folder(partial):
        return False
    descriptor = os.open(partial, _OPEN_FOLDER)
    try:
        return not try_lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
