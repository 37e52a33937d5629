"""A store that several machines write to at once: DuckLake, with Parquet tables in a shared folder and a PostgreSQL catalog.

The address is `ducklake:postgres:host=… dbname=… data=FOLDER`; `data` names the shared folder, the rest goes to libpq. A
small file in the folder, `rnc.lake`, holds the address and represents the store: checkpoints, locks and sweeps lie beside
it as beside a DuckDB file, and its modification time shows that something was written. Passwords belong in ~/.pgpass.

The folder may be untrusted. Therefore its file leads to a database only if the user of this account has given the same
database by its address before, which is noted in the home folder; and every query to a catalog has a time limit.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from rnc import state_files
from rnc.safe_paths import UnsafePathError, read_plain_file, shown
from rnc.store.database import lock, settings
from rnc.store.errors import StoreBusyError, StoreError, StoreMissingError
from rnc.store.files import lake_lock_file
from rnc.store.locks import exclusive_lock
from rnc.store.quoting import quoted_text

SCHEME = "ducklake:"
_LIBPQ_NAMES = ("host", "hostaddr", "port", "dbname", "user", "connect_timeout", "sslmode", "application_name")
_LIBPQ_VALUE = re.compile(r"[\w./@%+:-]{1,200}")
_MOST_BYTES = 4096
"""Maximum size of the file that represents a lake."""
_SUFFIX = ".lake"
_EXTENSIONS = ("ducklake", "postgres_scanner")
_OWN_KINDS = "'r', 'i', 'S'"
"""The kinds of objects that DuckLake creates in PostgreSQL: tables, indexes and sequences."""
_KNOWN = "lakes.jsonl"
_CONNECT_SECONDS, _READ_SECONDS, _WRITE_SECONDS = 10, 10, 20
"""Time limits for reaching a catalog's server, and for one statement sent when reading or writing."""


def lake_file(address: str) -> Path:
    """Return the file that represents the lake of an address; create it if it does not exist.

    Raises StoreError for an address that is invalid, names no folder or holds a password, and if the folder belongs to a lake
    with another catalog.
    """
    catalog, folder = _parts(address)
    note_catalog(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"rnc{_SUFFIX}"
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as made:
            made.write(catalog + "\n")
    except FileExistsError:
        known = _catalog_of(file)
        if _told(known) != _told(catalog):
            raise StoreError(
                f"{folder} belongs to another lake, {known}; name another folder with data=, or that lake"
            ) from None
    return file


def note_catalog(catalog: str) -> None:
    """Note that a lake's file may name this catalog from now on. Raises StoreError if the home folder cannot be written to."""
    try:
        state_files.note(_KNOWN, [_told(catalog)])
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"the lake's address cannot be noted in {state_files.state_file(_KNOWN)} ({error}); name a folder that can be "
            "written to in XDG_STATE_HOME"
        ) from None


def _check_is_known(path: Path, catalog: str) -> None:
    if _told(catalog) not in state_files.noted(_KNOWN):
        raise StoreError(
            f"{path} names a database that was not given on this account before: {_told(catalog)}. If it is yours, name the "
            f"lake by its address: {catalog} data={path.parent}"
        )


def _told(catalog: str) -> str:
    """Return a catalog's address in a canonical form."""
    return " ".join(sorted(_words(catalog)))


def _words(catalog: str) -> list[str]:
    return catalog.removeprefix(f"{SCHEME}postgres:").split()


def _parts(address: str) -> tuple[str, Path]:
    """Return the catalog of an address and the folder of its data."""
    usage = f"{SCHEME}postgres:host=HOST dbname=NAME data=FOLDER"
    words = address.removeprefix(f"{SCHEME}postgres:").split()
    folders = [word.removeprefix("data=") for word in words if word.startswith("data=")]
    if not address.startswith(f"{SCHEME}postgres:") or len(folders) != 1 or not folders[0]:
        raise StoreError(f"{shown(address)} names no folder of a lake; an address is {usage}")
    catalog = f"{SCHEME}postgres:" + " ".join(word for word in words if not word.startswith("data="))
    return _checked(catalog), Path(folders[0]).expanduser().resolve()


def _checked(catalog: str) -> str:
    """Return a catalog's address if it has only the parts that lead to a database. Raises StoreError otherwise."""
    for word in catalog.removeprefix(f"{SCHEME}postgres:").split():
        name, _equals, value = word.partition("=")
        if "password" in name.lower() or "://" in word:
            raise StoreError(
                "a lake's address holds no password, since all who read its folder would read it, and is no URL: give "
                "host=HOST dbname=NAME, and put the password into ~/.pgpass or the file that PGPASSFILE names"
            )
        if name not in _LIBPQ_NAMES or not _LIBPQ_VALUE.fullmatch(value):
            raise StoreError(
                f"{shown(word)} is no part of a lake's address; there are {', '.join(_LIBPQ_NAMES)} and data, as NAME=VALUE"
            )
    return catalog


def _catalog_of(file: Path) -> str:
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


def connect(path: Path, *, read_only: bool, folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection to the lake's tables, to be closed after use. Raises StoreError with advice.

    Files in `folder`, a folder of published runs, may also be read. The underlying connection stays open, unlike for a file:
    it locks no other process out, and loading the extensions takes long.
    """
    if not path.exists():
        raise StoreMissingError(
            f"there is no store at {path}; train a run first, naming it by its address, ducklake:postgres:…"
        )
    catalog = _catalog_of(path)
    key = (os.getpid(), path.resolve(), catalog, read_only, folder)
    for _attempt in range(2):
        if key not in _kept:
            _check_is_known(path, catalog)
            while len(_kept) >= _MOST_KEPT:
                _kept.pop(next(iter(_kept))).close()
            _kept[key] = _attach(path, key[2], read_only, folder)
        try:
            connection = _kept[key].cursor()
            connection.execute("USE lake").execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
            return connection
        except duckdb.Error as error:  # for example after a restart of the server
            _kept.pop(key).close()
            failed = error
            if _took_long(error):
                break
    raise StoreError(f"{path} cannot be reached: {failed}")


_kept: dict[tuple, duckdb.DuckDBPyConnection] = {}
_MOST_KEPT = 4


def _attach(path: Path, catalog: str, read_only: bool, folder: Path | None) -> duckdb.DuckDBPyConnection:
    try:
        from duckdb_extensions.extension_importer import import_extension
    except ModuleNotFoundError:
        raise StoreError("DuckLake needs an environment with requirements-lake.txt; see docs/scale.md") from None
    cache = Path.home() / ".cache" / "rnc" / "duckdb"
    own = {"extension_directory": str(cache), "temp_directory": str(cache / "spilled")}
    connection = duckdb.connect(":memory:", config=settings() | own)
    data = path.with_suffix(".data")
    if not read_only:
        _make_data_folder(data)
    options = f"DATA_PATH {quoted_text(f'{data}/')}" + (", READ_ONLY" if read_only else "")
    try:
        for extension in _EXTENSIONS:
            _load(connection, extension, import_extension)
        connection.execute(f"ATTACH {quoted_text(_bounded(catalog, read_only))} AS lake ({options})")
        _check_catalog(connection, path)
        # Only this lake's own data are read, whatever paths the catalog contains.
        lock(connection, [data, *([] if folder is None else [folder])])
    except StoreError:
        connection.close()
        raise
    except duckdb.Error as error:
        connection.close()
        if "does not exist" in str(error) or "no existing" in str(error).lower():
            raise StoreMissingError(f"nothing was written to {path} yet ({error})") from None
        raise StoreError(f"{path} cannot be reached: {error}") from None
    return connection


def _check_catalog(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise StoreError if a view replaces one of DuckLake's own tables: a view can return any number of rows."""
    sql = f"SELECT relname FROM pg_class WHERE relname LIKE 'ducklake_%' AND relkind NOT IN ({_OWN_KINDS}) LIMIT 1"
    found = connection.execute(f"FROM postgres_query('__ducklake_metadata_lake', {quoted_text(sql)})").fetchone()
    if found:
        raise StoreError(
            f"the catalog of {path} has something else than a table under the name {shown(str(found[0]))}, which this program "
            "did not make and will not read"
        )


def _bounded(catalog: str, read_only: bool) -> str:
    """Return a catalog's address with time limits: views in an untrusted catalog can make its server wait for ever."""
    seconds = _READ_SECONDS if read_only else _WRITE_SECONDS
    reached = "" if "connect_timeout=" in catalog else f" connect_timeout={_CONNECT_SECONDS}"
    return f"{catalog}{reached} options='-c statement_timeout={seconds}s'"


def _took_long(error: duckdb.Error) -> bool:
    return "statement timeout" in str(error)


def _make_data_folder(data: Path) -> None:
    """Create the folder of a lake's data: on a locked connection, DuckDB creates folders only inside it."""
    try:
        (data / "main").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{data} cannot be made: {error.strerror}") from None


def _load(connection: duckdb.DuckDBPyConnection, extension: str, install: object) -> None:
    try:
        connection.execute(f"LOAD {extension}")
    except duckdb.Error:
        install(extension, con=connection)  # type: ignore[operator]
        connection.execute(f"LOAD {extension}")


@contextmanager
def write_lock(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock of a lake's writers, in its folder: if two change a table at once, DuckLake lets one fail.

    Readers need none: they see the snapshot from their beginning. At the end, the lake's file gets a new modification time.
    Raises OSError if the lock cannot be used: a lake is not written to without it.
    """
    with exclusive_lock(lake_lock_file(path), patience, required=True) as obtained:
        if not obtained:
            raise StoreBusyError(f"others have written to {path} for {patience:.0f} s")
        yield
        os.utime(path)
