"""A store that several machines write to at once: DuckLake, tables as Parquet in a shared folder, catalog in PostgreSQL.

The address is `ducklake:postgres:host=… dbname=… data=FOLDER`; `data` names the shared folder, the rest is libpq's. In the
folder a small file, `rnc.lake`, holds the address and stands for the store: checkpoints, locks and sweeps lie beside it as
beside a DuckDB file, and its time of change says that something was written. Passwords belong into ~/.pgpass.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from rnc.store.files import writers_lock
from rnc.store.turns import turn as take_turn

SCHEME = "ducklake:"
_SUFFIX = ".lake"
_EXTENSIONS = ("ducklake", "postgres_scanner")


class LakeError(Exception):
    """The lake cannot be used; the message says why."""


class LakeMissingError(LakeError):
    """Nothing was ever written to it."""


class LakeBusyError(LakeError):
    """Others wrote for longer than we wait."""


def lake_file(address: str) -> Path:
    """The file that stands for the lake of an address, made where there is none. Raises ValueError where no folder is named."""
    found = re.search(r"(?:^|\s)data=(\S+)", address.removeprefix(SCHEME).replace("postgres:", "", 1))
    if not found:
        raise ValueError(f"{address} names no folder: ducklake:postgres:host=HOST dbname=NAME data=FOLDER")
    folder = Path(found[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    catalog = re.sub(r"\s*\bdata=\S+", "", address).strip()
    file = folder / f"rnc{_SUFFIX}"
    if not file.exists():
        file.write_text(catalog + "\n")
    return file


def is_lake(path: Path) -> bool:
    """Whether a store's path stands for a lake."""
    return path.suffix == _SUFFIX


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection whose tables are the lake's, to be closed after use. Raises LakeError, saying what to do.

    What it is taken from stays open, unlike with a file: it locks nobody out, and loading extensions takes long.
    """
    if not path.exists():
        raise LakeMissingError(
            f"there is no store at {path}; train a run first, naming it by its address, ducklake:postgres:…"
        )
    key = (os.getpid(), path.resolve(), path.read_text().strip(), read_only)
    for _attempt in range(2):
        if key not in _kept:
            while len(_kept) >= _MOST_KEPT:
                _kept.pop(next(iter(_kept))).close()
            _kept[key] = _attach(path, key[2], read_only)
        try:
            connection = _kept[key].cursor()
            connection.execute("USE lake").execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
            return connection
        except duckdb.Error as error:  # (the server was started anew, say)
            _kept.pop(key).close()
            failed = error
    raise LakeError(f"{path} cannot be reached: {failed}")


_kept: dict[tuple, duckdb.DuckDBPyConnection] = {}
_MOST_KEPT = 4


def _attach(path: Path, catalog: str, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        from duckdb_extensions.extension_importer import import_extension
    except ModuleNotFoundError:
        raise LakeError("DuckLake needs an environment with requirements-lake.txt; see docs/scale.md") from None
    folder = Path.home() / ".cache" / "rnc" / "duckdb"
    settings: dict[str, str | bool | int | float | list[str]] = {
        "extension_directory": str(folder),
        "autoinstall_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    data = _text(f"{path.with_suffix('.data')}/")
    options = f"DATA_PATH {data}" + (", READ_ONLY" if read_only else "")
    try:
        for extension in _EXTENSIONS:
            _load(connection, extension, import_extension)
        connection.execute(f"ATTACH {_text(catalog)} AS lake ({options})")
    except duckdb.Error as error:
        connection.close()
        if "does not exist" in str(error) or "no existing" in str(error).lower():
            raise LakeMissingError(f"nothing was written to {path} yet ({error})") from None
        raise LakeError(f"{path} cannot be reached: {error}") from None
    return connection


def _load(connection: duckdb.DuckDBPyConnection, extension: str, install: object) -> None:
    try:
        connection.execute(f"LOAD {extension}")
    except duckdb.Error:
        install(extension, con=connection)  # type: ignore[operator]
        connection.execute(f"LOAD {extension}")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def turn(path: Path, patience: float) -> Iterator[None]:
    """Writers of a lake take turns, by a lock in its folder: DuckLake lets one of two that change a table at once fail.

    Readers need no turn: they see the snapshot of their beginning. What was written makes the lake's file newer. Raises
    OSError where nothing can be locked: a lake is not written to without a turn.
    """
    with take_turn(writers_lock(path), patience, needed=True) as came:
        if not came:
            raise LakeBusyError(f"others have written to {path} for {patience:.0f} s")
        yield
        os.utime(path)
