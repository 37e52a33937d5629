"""The address of a store, as given on the command line or in RNC_STORE, and the folder of the published runs beside it.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""

import os
import re
import stat
from functools import cache
from pathlib import Path

from rnc.safe_paths import quoted
from rnc.store import lake_addresses
from rnc.store.errors import StoreAddressError, StoreError
from rnc.store.file_locations import real_path
from rnc.store.open_untrusted_file import begins_as_duckdb

DEFAULT_STORE = Path("data/rnc.duckdb")
GALLERY_VARIABLE = "RNC_GALLERY"
_GALLERY = Path(__file__).parents[2] / "data" / "gallery"
STORE_VARIABLE = "RNC_STORE"
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*:")


def store_path(given: str | Path | None = None) -> Path:
    """Return the store's absolute path with all links followed: networks, locks and logs lie beside the file itself.

    The store is the one given, or the environment's RNC_STORE, or data/rnc.duckdb; for a lake, it is the file that represents
    it. Raises StoreAddressError for an address that is neither a file of this machine nor a lake (DuckDB would download an
    extension for `md:x` or `s3://…`, and keep nothing in `:memory:`), and for a link to anything else but a store.
    """
    address = str(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)
    if address.startswith(lake_addresses.SCHEME):
        try:
            return real_path(lake_addresses.ensure_lake_pointer_file(address))
        except (OSError, StoreError) as error:
            raise StoreAddressError(str(error)) from None
    if "\0" in address or ("?" in address and not Path(address).is_dir()):  # DuckDB cuts a path at these characters
        raise StoreAddressError(
            f"store {quoted(address)} has a character that no store's name may have; name another file"
        )
    if address.startswith(":") or _PREFIX.match(address):
        raise StoreAddressError(
            f"store {quoted(address)} is no file of this machine; name a file, such as data/rnc.duckdb (or ./{address} for a "
            "file of that name), or a lake as ducklake:postgres:host=HOST dbname=NAME data=FOLDER"
        )
    try:
        given = Path(address).expanduser()
    except RuntimeError as error:
        raise StoreAddressError(f"store {quoted(address)} cannot be found: {error}") from None
    try:
        path, is_link = real_path(given), given.is_symlink()
    except OSError as error:
        raise StoreAddressError(f"store {quoted(address)} cannot be found: {error.strerror}") from None
    to_lake = lake_addresses.is_lake(given)  # if a link has a lake's name, any other target is not opened
    if is_link and not ((lake_addresses.is_lake(path) and path.is_file()) if to_lake else _may_be_followed(path)):
        raise StoreAddressError(
            f"store {quoted(address)} is a link to {quoted(str(path))}, which is no store; name the store itself"
        )
    return path


def path_if_store_or_new(path: Path) -> Path | None:
    """Return a store's path if a log may lie beside it, that is if it is a store or does not exist yet; else None."""
    try:
        there = os.path.lexists(path)
    except (OSError, ValueError):
        return None
    return path if not there or _may_be_followed(path) else None


def _may_be_followed(path: Path) -> bool:
    """Return whether the target of a link is a store, a lake or a folder of published runs.

    Beside any other target, opening an untrusted folder would create locks and logs.
    """
    try:
        if path.is_dir():
            return any(path.glob("*/run.parquet"))
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and (
        lake_addresses.is_lake(path) or _is_database(path, status.st_dev, status.st_ino)
    )


@cache
def _is_database(path: Path, device: int, inode: int) -> bool:
    """Return whether a plain file begins as a DuckDB file does.

    The file is read once: closing a file that DuckDB has open in this process would end DuckDB's lock on it (POSIX).
    """
    del device, inode
    return begins_as_duckdb(path)


def gallery_path() -> Path | None:
    """Return the folder of published runs that the app shows: RNC_GALLERY (empty for none), else the project's data/gallery."""
    given = os.environ.get(GALLERY_VARIABLE)
    return _GALLERY if given is None else Path(given) if given else None
