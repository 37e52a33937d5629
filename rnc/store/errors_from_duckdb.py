"""Errors that DuckDB or the disk raise on a store's file: how to recognise them, and messages with the cause and what to do.

Tested by tests/faults/test_messages.py.
"""

import re
from pathlib import Path

import duckdb

from rnc.store.errors import StoreBusyError, StoreError, StoreMissingError, StoreWriteError

DISK_ERRORS = (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
"""The errors that DuckDB raises if a file cannot be read or written."""
READ_ERRORS = (*DISK_ERRORS, duckdb.PermissionException)
"""The errors of a read: also that a lake's catalog names files outside the lake."""
MEMORY_VARIABLE = "RNC_MEMORY_LIMIT"
"""The environment variable that limits the memory of a query, in DuckDB's notation: `2GB`."""
_DISK_REFUSALS = ("read-only file system", "permission denied", "no space left", "file too large")
"""Messages of the disk, which DuckDB passes on."""


def is_lock_conflict(error: duckdb.Error) -> bool:
    """Return whether an error says that another process has the file open."""
    text = str(error).lower()
    return "could not set lock" in text or "conflicting lock" in text or "unique file handle conflict" in text


def is_disk_refusal(error: Exception) -> bool:
    """Return whether an error says that the disk does not allow the operation."""
    return any(refusal in str(error).lower() for refusal in _DISK_REFUSALS)


def lock_holder(error: duckdb.Error) -> str:
    """Return the process that holds a file, as named in DuckDB's error: `python3.12 (PID 4242)`."""
    match = re.search(r"held in (\S*?)([^/\s]+) \(PID (\d+)\)", str(error))
    return f"{match[2]} (PID {match[3]})" if match else "a process that the system does not name"


def one_line(error: Exception, most: int) -> str:
    """Return an error's text on one line, cut to at most `most` characters."""
    return " ".join(str(error).split())[:most]


def missing_store(path: Path) -> StoreMissingError:
    """Return the error for a missing store."""
    return StoreMissingError(f"there is no store at {path}; train a run first: python -m train.run demo --store {path}")


def busy_store(path: Path, seconds: float, error: duckdb.Error) -> StoreBusyError:
    """Return the error for a store that another process held during all of the waiting time."""
    return StoreBusyError(
        f"store {path} has been in use by another process for {seconds:.0f} s: {lock_holder(error)}; close the program that "
        "holds it open (a DuckDB shell, a notebook) and try again"
    )


def out_of_memory(path: Path, error: Exception) -> StoreError:
    """Return the error for a query that needs more memory than is allowed."""
    return StoreError(
        f"a query to store {path} needs more memory than is allowed; choose fewer runs, or allow more with "
        f"{MEMORY_VARIABLE}=8GB ({one_line(error, 200)})"
    )


def refused_by_disk(path: Path, error: Exception, *, read_only: bool) -> StoreError:
    """Return the error for a store that the disk does not allow to be read or written."""
    verb, kind = ("read", StoreError) if read_only else ("written", StoreWriteError)
    return kind(
        f"store {path} cannot be {verb}; its content is safe. Free space on the disk, allow access in {path.parent}, or name "
        f"another with --store ({error})"
    )


def failed_write(path: Path, error: Exception) -> StoreWriteError:
    """Return the error for a transaction that the disk did not take."""
    return StoreWriteError(
        f"store {path} could not be written; everything written before is safe. Free space on the disk and start the same "
        f"command again: it continues ({error})"
    )


def failed_backup(path: Path, version: int, error: Exception) -> StoreWriteError:
    """Return the error for an older store that was not upgraded because no copy of it could be written."""
    return StoreWriteError(
        f"store {path} has schema version {version} and was left as it is, since no copy of it could be written beside it "
        f"before the upgrade; free space on the disk, or allow writing in {path.parent} ({error})"
    )


def unusable_store(path: Path, error: duckdb.Error, *, read_only: bool = True) -> StoreError:
    """Return the error for a store that DuckDB does not open, by the reason that DuckDB gives."""
    if isinstance(error, duckdb.PermissionException):
        return StoreError(
            f"{path} names files outside of its own folder, which are not read; its catalog was made by another program or "
            f"changed by hand ({error})"
        )
    if is_disk_refusal(error):
        return refused_by_disk(path, error, read_only=read_only)
    # The message is tested before the file, since a trainer may have created the store in between.
    if "does not exist" in str(error).lower() or not path.exists() or path.stat().st_size == 0:
        if not read_only:  # the store was to be created
            return refused_by_disk(path, error, read_only=False)
        return missing_store(path)
    if path.is_dir():
        return StoreError(f"store {path} is a folder; name a file, such as {path / 'rnc.duckdb'}")
    if "newer version" in str(error).lower() or "storage version" in str(error).lower():
        return StoreError(f"store {path} was written by a newer DuckDB than is installed; upgrade the duckdb package")
    if "different configuration" in str(error).lower():
        return StoreError(
            f"store {path} is open in this process by duckdb.connect, with other settings than a store is read with; close "
            "that connection, then try again"
        )
    return damaged_store(path, str(error))


def damaged_store(path: Path, reason: str) -> StoreError:
    """Return the error for a file that is not a DuckDB file, or not a whole one."""
    return StoreError(
        f"{path} is not a DuckDB store, or is damaged; it was left as it is. Name another with --store. ({reason})"
    )
