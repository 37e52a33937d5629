"""Opening of DuckDB files such that their content cannot reach anything outside the file.

A store may be untrusted. Every connection of this program is opened here: it opens no other file (except the published
runs that are read beside a store), loads no extension and uses a bounded share of the memory. No query can change these
settings.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import duckdb

from rnc.safe_paths import UnsafePathError, open_plain_file, quoted
from rnc.store.errors import StoreBusyError, StoreError
from rnc.store.errors_from_duckdb import MEMORY_VARIABLE, damaged_store, is_lock_conflict, lock_holder
from rnc.store.quoting import quoted_text

MOST_MEMORY_BYTES, _MEMORY_SHARE = 4 * 2**30, 0.25
"""The default limit: a quarter of the machine's memory, at most 4 GiB."""
_LEAST_MEMORY_BYTES = 256 * 2**20
MOST_SPILLED = "20GB"
"""The most that a query larger than the memory may write to the disk, in a folder beside the store."""
_MAGIC, _MAGIC_AT = b"DUCK", 8
_LOG_SUFFIXES = (".wal", ".wal.checkpoint", ".wal.recovery")
_SIZE = re.compile(r"\d{1,6}(\.\d{1,3})? ?([KMGT]i?B)", re.IGNORECASE)
Setting = str | bool | int | float | list[str]


def open_database(
    path: Path | None, *, read_only: bool = False, folder: Path | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection to a DuckDB file (None for one in memory) that reads no other files except those in `folder`.

    Raises StoreError if anything but a plain DuckDB file lies at `path` or in place of its write-ahead log, and duckdb.Error
    as usual. `folder` is a folder of published runs.
    """
    if path is not None:
        path = path.resolve()  # its owner may use a link to it
        _check_kinds(path)
    # Settings in `config` already apply when DuckDB reads the file's write-ahead log.
    connection = duckdb.connect(
        ":memory:" if path is None else str(path),
        read_only=read_only,
        config=settings() | ({} if threads is None else {"threads": threads}),
    )
    try:
        lock(connection, [] if folder is None else [folder])
    except BaseException:
        connection.close()
        raise
    return connection


def open_source_and_new_target(source: Path, target: Path) -> duckdb.DuckDBPyConnection:
    """Return a connection to two DuckDB files, called source and target; meanwhile no other process may open either.

    The target is created. Raises StoreError as `open_database` does, and StoreBusyError if another process holds the source.
    """
    source = source.resolve()
    _check_kinds(source)
    connection = duckdb.connect(":memory:", config=settings() | {"temp_directory": f"{target}.tmp"})
    try:
        connection.execute(f"ATTACH {quoted_text(source)} AS source")
        connection.execute(f"ATTACH {quoted_text(target)} AS target")
        lock(connection)
    except duckdb.Error as error:
        connection.close()
        if is_lock_conflict(error):
            raise StoreBusyError(
                f"store {source} is in use by {lock_holder(error)}; close that program and try again"
            ) from None
        raise
    return connection


def settings() -> dict[str, Setting]:
    """Return the settings of every connection."""
    return {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": memory_limit(),
        "max_temp_directory_size": MOST_SPILLED,
    }


def lock(connection: duckdb.DuckDBPyConnection, folders: Sequence[Path] = ()) -> None:
    """Disable access to files outside some folders, and changes of settings, until the connection is closed."""
    if folders:
        allowed = ", ".join(quoted_text(folder.resolve()) for folder in folders)
        connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def memory_limit() -> str:
    """Return the memory limit of a connection. Raises StoreError if RNC_MEMORY_LIMIT is not a size."""
    given = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not given:
        share = int(_MEMORY_SHARE * _machine_memory())
        return f"{max(min(share, MOST_MEMORY_BYTES), _LEAST_MEMORY_BYTES) // 2**20}MiB"
    if not _SIZE.fullmatch(given):
        raise StoreError(f"{MEMORY_VARIABLE}={quoted(given)} is no size; give one such as 2GB")
    return given


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 4 * MOST_MEMORY_BYTES


def begins_as_duckdb(path: Path) -> bool:
    """Return whether a plain file begins as a DuckDB file does, with four letters after a checksum, whatever its name.

    No other thread of this process may have the file open: closing it here would release that thread's lock (POSIX).
    """
    try:
        with open_plain_file(path, "file") as file:
            return file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC
    except (UnsafePathError, OSError):
        return False


def check_is_database(path: Path) -> None:
    """Raise StoreError if `path` is anything but a DuckDB file, without waiting for it or changing anything.

    No other thread of this process may have the file open: closing it here would release that thread's lock (POSIX).
    """
    path = path.resolve()
    _check_kinds(path)
    with suppress(OSError), open_plain_file(path, "store") as file:
        head = file.read(_MAGIC_AT + len(_MAGIC))
        if head and head[_MAGIC_AT:] != _MAGIC:
            raise damaged_store(path, "It does not begin as a DuckDB file does.")


def _check_kinds(path: Path) -> None:
    """Raise StoreError if DuckDB would wait for a pipe, read a device, or follow a link that another user created."""
    if path.is_dir():
        raise StoreError(f"store {path} is a folder; name a file, such as {path / 'rnc.duckdb'}")
    for name in ("", *_LOG_SUFFIXES):
        file = path.with_name(path.name + name)
        if os.path.lexists(file) and (file.is_symlink() or not file.is_file()):
            advice = f"remove it; {path} was left as it is" if name else "name another with --store"
            raise StoreError(f"{quoted(str(file), 500)} is no plain file but a link, a pipe or a device; {advice}")
    spilled = path.with_name(f"{path.name}.tmp")
    if os.path.lexists(spilled) and (spilled.is_symlink() or not spilled.is_dir()):
        raise StoreError(f"{quoted(str(spilled), 500)} is in the place of DuckDB's own temporary folder; remove it")
    for file in spilled.iterdir() if spilled.is_dir() else ():
        if file.is_symlink() or not file.is_file():  # such a file ends the whole process
            raise StoreError(
                f"{quoted(str(file), 500)} is no plain file but a link, a pipe or a folder, in DuckDB's own temporary folder; "
                f"remove it; {path} was left as it is"
            )
