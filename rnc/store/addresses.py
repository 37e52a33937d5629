"""Where a store lies: the address that a person gives on the command line or in RNC_STORE."""

import os
import re
from pathlib import Path

from rnc.safe_paths import shown
from rnc.store import lake
from rnc.store.errors import StoreAddressError
from rnc.store.files import real_path

DEFAULT_STORE = Path("data/rnc.duckdb")
STORE_VARIABLE = "RNC_STORE"
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9+._-]*:")


def store_path(given: str | Path | None = None) -> Path:
    """Return the store's absolute path, all links followed: networks, locks and logs lie beside the file itself.

    The store is the one given, or the environment's RNC_STORE, or data/rnc.duckdb; of a lake, the file that stands for it.
    Raises StoreAddressError for an address that is no file of this machine and no lake: DuckDB would download an extension
    for `md:x` or `s3://…`, and keep nothing in `:memory:`.
    """
    address = str(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)
    if address.startswith(lake.SCHEME):
        try:
            return real_path(lake.lake_file(address))
        except (OSError, lake.LakeError) as error:
            raise StoreAddressError(str(error)) from None
    if "\0" in address or ("?" in address and not Path(address).is_dir()):  # (DuckDB cuts a path there)
        raise StoreAddressError(
            f"store {shown(address)} has a character that no store's name may have; name another file"
        )
    if address.startswith(":") or _PREFIX.match(address):
        raise StoreAddressError(
            f"store {shown(address)} is no file of this machine; name a file, such as data/rnc.duckdb (or ./{address} for a "
            "file of that name), or a lake as ducklake:postgres:host=HOST dbname=NAME data=FOLDER"
        )
    try:
        return real_path(Path(address).expanduser())
    except RuntimeError as error:
        raise StoreAddressError(f"store {shown(address)} cannot be found: {error}") from None
