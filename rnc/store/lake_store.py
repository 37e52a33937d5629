"""A store that several machines write to at once (`backends.Backend`): DuckLake, with Parquet tables in a shared folder.

Its catalog is in PostgreSQL. A small file in the folder (`lake_addresses.py`) represents the store: checkpoints, locks and
sweeps lie beside it as beside a DuckDB file, and its modification time shows that something was written. The catalog may be
untrusted: every query to it has a time limit.

Tested by tests/rnc/store/test_lake.py.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import ClassVar

import duckdb

from rnc.safe_paths import quoted
from rnc.store.errors import StoreBusyError, StoreError, StoreMissingError
from rnc.store.file_locations import lake_lock_file
from rnc.store.lake_addresses import catalog_of, refuse_catalog_not_entered
from rnc.store.locks import exclusive_lock
from rnc.store.open_untrusted_file import lock, settings
from rnc.store.quoting import quoted_text
from rnc.store.shared_connection import ProcessConnections

_PATIENCE_SECONDS = 300.0
"""The waiting time of a writer, since a lake's many writers take seconds each."""
_EXTENSIONS = ("ducklake", "postgres_scanner")
_DUCKLAKE_KINDS = "'r', 'i', 'S'"
"""The kinds of objects that DuckLake creates in PostgreSQL: tables, indexes and sequences."""
_CONNECT_SECONDS, _READ_SECONDS, _WRITE_SECONDS = 10, 10, 20
"""Time limits for reaching a catalog's server, and for one statement sent when reading or writing."""
_MOST_KEPT = 4
_kept: dict[tuple, duckdb.DuckDBPyConnection] = {}
"""The connections that stay open: (process, path, catalog, read_only, folder of published runs) -> connection."""


class LakeStore:
    """A store in a lake, represented by a small file."""

    is_one_file: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        """Set the path of the file that represents the lake; nothing is opened."""
        self.path = path

    def file_begins_like_store(self) -> bool:
        """Return True: connecting checks the file."""
        return True

    def connect(
        self, *, read_only: bool, folder: Path | None = None, threads: int | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Return a connection to the lake's tables, to be closed after use. Raises StoreError with advice.

        The underlying connection stays open, unlike for a file: it locks no other process out, and loading the extensions takes
        long. Therefore `threads` has no effect.
        """
        del threads
        if not self.path.exists():
            raise StoreMissingError(
                f"there is no store at {self.path}; train a run first, naming it by its address, ducklake:postgres:…"
            )
        catalog = catalog_of(self.path)
        key = (os.getpid(), self.path.resolve(), catalog, read_only, folder)
        for _attempt in range(2):
            if key not in _kept:
                refuse_catalog_not_entered(self.path, catalog)
                while len(_kept) >= _MOST_KEPT:
                    _kept.pop(next(iter(_kept))).close()
                _kept[key] = _attach(self.path, catalog, read_only, folder)
            try:
                connection = _kept[key].cursor()
                connection.execute("USE lake").execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
                return connection
            except duckdb.Error as error:  # for example after a restart of the server
                _kept.pop(key).close()
                failure = error
                if _is_timeout(error):
                    break
        raise StoreError(f"{self.path} cannot be reached: {failure}")

    @contextmanager
    def read_connection(
        self,
        connections: ProcessConnections,
        opening: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        folder: Path | None,
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a new connection, for one thread of this process at a time."""
        del folder
        with connections.exclusive(), opening() as connection:
            yield connection

    def read_lock(self) -> AbstractContextManager[object]:
        """Return no lock: a reader sees the snapshot from its beginning."""
        return nullcontext()

    @contextmanager
    def write_lock(self) -> Iterator[None]:
        """Hold the lock of the lake's writers: if two change a table at once, DuckLake lets one fail.

        At the end, the lake's file gets a new modification time. Raises OSError if the lock cannot be used: a lake is not
        written to without it.
        """
        with exclusive_lock(lake_lock_file(self.path), _PATIENCE_SECONDS, required=True) as obtained:
            if not obtained:
                raise StoreBusyError(f"others have written to {self.path} for {_PATIENCE_SECONDS:.0f} s")
            yield
            os.utime(self.path)

    def create_file_if_missing(self) -> None:
        """Do nothing: the address creates the file (`lake_addresses.ensure_lake_pointer_file`), and DuckLake the catalog."""

    def back_up(self, connection: duckdb.DuckDBPyConnection, version: int) -> None:
        """Do nothing: a lake keeps its own snapshots."""

    def files_state(self) -> None:
        """Return None: a lake's catalog is in no file."""
        return

    def is_without_definitions(self) -> bool:
        """Return False: a lake's definitions are in its catalog."""
        return False

    def checkpoint_and_return_state(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Return None, as `files_state` does."""
        del connection

    def holder(self) -> None:
        """Return None: several processes can open a lake at the same time."""
        return


def _attach(path: Path, catalog: str, read_only: bool, folder: Path | None) -> duckdb.DuckDBPyConnection:
    try:
        from duckdb_extensions.extension_importer import import_extension
    except ModuleNotFoundError:
        raise StoreError("DuckLake needs an environment with requirements-lake.txt; see docs/scale.md") from None
    cache = Path.home() / ".cache" / "rnc" / "duckdb"
    folders = {"extension_directory": str(cache), "temp_directory": str(cache / "spilled")}
    connection = duckdb.connect(":memory:", config=settings() | folders)
    data = path.with_suffix(".data")
    if not read_only:
        _make_data_folder(data)
    options = f"DATA_PATH {quoted_text(f'{data}/')}" + (", READ_ONLY" if read_only else "")
    try:
        for extension in _EXTENSIONS:
            _load(connection, extension, import_extension)
        connection.execute(f"ATTACH {quoted_text(_with_time_limits(catalog, read_only))} AS lake ({options})")
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
    sql = f"SELECT relname FROM pg_class WHERE relname LIKE 'ducklake_%' AND relkind NOT IN ({_DUCKLAKE_KINDS}) LIMIT 1"
    row = connection.execute(f"FROM postgres_query('__ducklake_metadata_lake', {quoted_text(sql)})").fetchone()
    if row:
        raise StoreError(
            f"the catalog of {path} has something else than a table under the name {quoted(str(row[0]))}, which this program "
            "did not make and will not read"
        )


def _with_time_limits(catalog: str, read_only: bool) -> str:
    """Return a catalog's address with time limits: views in an untrusted catalog can make its server wait for ever."""
    seconds = _READ_SECONDS if read_only else _WRITE_SECONDS
    connect = "" if "connect_timeout=" in catalog else f" connect_timeout={_CONNECT_SECONDS}"
    return f"{catalog}{connect} options='-c statement_timeout={seconds}s'"


def _is_timeout(error: duckdb.Error) -> bool:
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
