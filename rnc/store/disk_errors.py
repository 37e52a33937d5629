"""Messages that explain errors of DuckDB or the disk on a store's file, and what to do."""

from pathlib import Path

import duckdb

from rnc.store.errors import StoreError, StoreMissingError, StoreWriteError

DISK_ERRORS = (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
"""The errors that DuckDB raises if a file cannot be read or written."""
READ_ERRORS = (*DISK_ERRORS, duckdb.PermissionException)
"""The errors of a read: also that a lake's catalog names files outside the lake."""
_REFUSALS = (
    "read-only file system",
    "permission denied",
    "no space left",
    "file too large",
)  # messages of the disk, not of DuckDB


def is_refusal(error: Exception) -> bool:
    """Return whether an error says that the disk does not allow the operation."""
    return any(word in str(error).lower() for word in _REFUSALS)


def missing(path: Path) -> StoreMissingError:
    """Return the error for a missing store."""
    return StoreMissingError(f"there is no store at {path}; train a run first: python -m train.run demo --store {path}")


def refused(path: Path, error: Exception, *, read_only: bool) -> StoreError:
    """Return the error for a store that the disk does not allow to be read or written."""
    done, kind = ("read", StoreError) if read_only else ("written", StoreWriteError)
    return kind(
        f"store {path} cannot be {done}; what it holds is safe. Free space on the disk, allow it in {path.parent}, or name "
        f"another with --store ({error})"
    )


def unusable(path: Path, error: duckdb.Error, *, read_only: bool = True) -> StoreError:
    """Return the error for a store that DuckDB does not open, by the reason that DuckDB gives."""
    if isinstance(error, duckdb.PermissionException):
        return StoreError(
            f"{path} names files outside of its own folder, which are not read; its catalog was made by another program or "
            f"changed by hand ({error})"
        )
    if is_refusal(error):
        return refused(path, error, read_only=read_only)
    # The message is tested before the file, since a trainer may have created the store in between.
    if "does not exist" in str(error).lower() or not path.exists() or path.stat().st_size == 0:
        if not read_only:  # the store was to be created
            return refused(path, error, read_only=False)
        return missing(path)
    if path.is_dir():
        return StoreError(f"store {path} is a folder; name a file, such as {path / 'rnc.duckdb'}")
    if "newer version" in str(error).lower() or "storage version" in str(error).lower():
        return StoreError(f"store {path} was written by a newer DuckDB than is installed; upgrade the duckdb package")
    if "different configuration" in str(error).lower():
        return StoreError(
            f"store {path} is open in this process by duckdb.connect, with other settings than a store is read with; close "
            "that connection, then try again"
        )
    return StoreError(
        f"{path} is not a DuckDB store, or is damaged; it was left as it is. Name another with --store. ({error})"
    )
