"""Addresses of lakes, `ducklake:postgres:host=… dbname=… data=FOLDER`, and the small file in the folder that represents one.

`data` names the shared folder, the rest goes to libpq. The file, `rnc.lake`, holds the address without the folder. Passwords
belong in ~/.pgpass.

The folder may be untrusted. Therefore its file leads to a database only if the user of this account has given the same
database by its address before, which is noted in the home folder.

Tested by tests/rnc/store/test_lake.py.
"""

import os
import re
from pathlib import Path

from rnc import names_entered_by_user
from rnc.safe_paths import UnsafePathError, quoted, read_plain_file
from rnc.store.errors import StoreError

SCHEME = "ducklake:"
_LIBPQ_NAMES = ("host", "hostaddr", "port", "dbname", "user", "connect_timeout", "sslmode", "application_name")
_LIBPQ_VALUE = re.compile(r"[\w./@%+:-]{1,200}")
_MOST_BYTES = 4096
"""Maximum size of the file that represents a lake."""
_SUFFIX = ".lake"
_KNOWN = "lakes.jsonl"


def ensure_lake_pointer_file(address: str) -> Path:
    """Return the file that represents the lake of an address; create it if it does not exist.

    Raises StoreError for an address that is invalid, names no folder or holds a password, and if the folder belongs to a lake
    with another catalog.
    """
    catalog, folder = _parts(address)
    trust_catalog(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"rnc{_SUFFIX}"
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as made:
            made.write(catalog + "\n")
    except FileExistsError:
        known = catalog_of(file)
        if _canonical(known) != _canonical(catalog):
            raise StoreError(
                f"{folder} belongs to another lake, {known}; name another folder with data=, or that lake"
            ) from None
    return file


def trust_catalog(catalog: str) -> None:
    """Note that a lake's file may name this catalog from now on. Raises StoreError if the home folder cannot be written to."""
    try:
        names_entered_by_user.append_missing_to_file(_KNOWN, [_canonical(catalog)])
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"the lake's address cannot be noted in {names_entered_by_user.state_file(_KNOWN)} ({error}); "
            "name a folder that can be written to in XDG_STATE_HOME"
        ) from None


def refuse_catalog_not_entered(path: Path, catalog: str) -> None:
    """Raise StoreError if the catalog that a lake's file names was never given on this account."""
    if _canonical(catalog) not in names_entered_by_user.texts_in_file(_KNOWN):
        raise StoreError(
            f"{path} names a database that was not given on this account before: {_canonical(catalog)}. If it is yours, name the "
            f"lake by its address: {catalog} data={path.parent}"
        )


def _canonical(catalog: str) -> str:
    """Return a catalog's address in a canonical form."""
    return " ".join(sorted(_words(catalog)))


def _words(address: str) -> list[str]:
    """Return the parts NAME=VALUE of an address."""
    return address.removeprefix(f"{SCHEME}postgres:").split()


def _parts(address: str) -> tuple[str, Path]:
    """Return the catalog of an address and the folder of its data."""
    usage = f"{SCHEME}postgres:host=HOST dbname=NAME data=FOLDER"
    words = _words(address)
    folders = [word.removeprefix("data=") for word in words if word.startswith("data=")]
    if not address.startswith(f"{SCHEME}postgres:") or len(folders) != 1 or not folders[0]:
        raise StoreError(f"{quoted(address)} names no folder of a lake; an address is {usage}")
    catalog = f"{SCHEME}postgres:" + " ".join(word for word in words if not word.startswith("data="))
    return _checked(catalog), Path(folders[0]).expanduser().resolve()


def _checked(catalog: str) -> str:
    """Return a catalog's address if it has only the parts that lead to a database. Raises StoreError otherwise."""
    for word in _words(catalog):
        name, _equals, value = word.partition("=")
        if "password" in name.lower() or "://" in word:
            raise StoreError(
                "a lake's address holds no password, since all who read its folder would read it, and is no URL: give "
                "host=HOST dbname=NAME, and put the password into ~/.pgpass or the file that PGPASSFILE names"
            )
        if name not in _LIBPQ_NAMES or not _LIBPQ_VALUE.fullmatch(value):
            raise StoreError(
                f"{quoted(word)} is no part of a lake's address; there are {', '.join(_LIBPQ_NAMES)} and data, as NAME=VALUE"
            )
    return catalog


def catalog_of(file: Path) -> str:
    """Return the catalog's address that a lake's file holds. Raises StoreError if there is none."""
    try:
        text = read_plain_file(file, "lake", most_bytes=_MOST_BYTES).decode().strip()
    except (UnsafePathError, OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file} cannot be read: {error}") from None
    if not text.startswith(f"{SCHEME}postgres:") or "\n" in text:
        raise StoreError(f"{file} is no file of a lake; name the lake by its address, {SCHEME}postgres:…")
    return _checked(text)


def is_lake(path: Path) -> bool:
    """Return whether a store's path represents a lake."""
    return path.suffix == _SUFFIX
