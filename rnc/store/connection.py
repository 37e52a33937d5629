"""Open, one transaction, close. A held connection locks every other process out, so none is held (design, decision 3)."""

import logging
import os
import random
import re
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import duckdb

from rnc.store import lake
from rnc.store.backup import back_up
from rnc.store.errors import (
    StoreBusyError,
    StoreError,
    StoreForeignError,
    StoreMissingError,
    StoreOlderError,
    StoreWriteError,
)
from rnc.store.files import real_path, turn_file
from rnc.store.sharing import Sharing
from rnc.store.turns import turn
from rnc.store.upgrades import UPGRADES

SCHEMA_VERSION = 4
DEFAULT_STORE = Path("data/rnc.duckdb")
STORE_VARIABLE = "RNC_STORE"

_PATIENCE_SECONDS, _LAKE_PATIENCE_SECONDS = 30.0, 300.0  # (a lake has many writers, each a matter of seconds)
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.01, 0.5  # (of programs that take no turns)
_SCHEMA = Path(__file__).with_name("schema.sql")
_DISK_ERRORS = (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
_REFUSALS = (
    "read-only file system",
    "permission denied",
    "no space left",
    "file too large",
)  # (of the disk, not of DuckDB)
_LOG = logging.getLogger("rnc.store")
_sharings: defaultdict[Path, Sharing] = defaultdict(Sharing)
_sharings_lock = threading.Lock()


def store_path(given: str | Path | None = None) -> Path:
    """Return the store's absolute path, all links followed: networks, locks and logs lie beside the file itself.

    The store is the one given, or the environment's RNC_STORE, or data/rnc.duckdb; of a lake, the file that stands for it.
    """
    address = str(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)
    return real_path(lake.lake_file(address) if address.startswith(lake.SCHEME) else Path(address))


@contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A short read-only connection to an existing store. Raises StoreError where it is none, or is of another schema."""
    with _joined(path) as connection:
        try:
            yield connection
        except _DISK_ERRORS as error:  # (a block is checked when it is read, which may be long after opening)
            raise _unusable(path, error) from error


def _sharing(path: Path) -> Sharing:
    with _sharings_lock:
        return _sharings[path.resolve()]


@contextmanager
def _joined(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Of a file, whatever this process has open already; of a lake, which locks nobody out, a connection of its own."""
    sharing = _sharing(path)
    if lake.is_lake(path):
        with sharing.alone(), _opened(path) as connection:
            yield connection
    else:
        with sharing.joined(partial(_opened, path)) as connection:
            yield connection


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with nullcontext() if lake.is_lake(path) else turn(turn_file(path), _PATIENCE_SECONDS, shared=True):
        connection = _connect(path, read_only=True)
        try:
            _check_version(connection, path, _version(connection))
            yield connection
        except _DISK_ERRORS as error:
            raise _unusable(path, error) from error
        finally:
            connection.close()


@contextmanager
def writing(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One read-write transaction, committed at the end or rolled back on an error; makes the store where there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(path, error, read_only=False) from None
    with _sharing(path).alone(), _writers_turn(path):
        if not path.exists():
            _make(path)
        connection = _connect(path, read_only=False)
        try:
            version = _version(connection)  # (which nobody else changes until this connection is closed)
            if version in UPGRADES and not lake.is_lake(path):  # (a lake keeps snapshots itself)
                _back_up(connection, path, version)
            connection.begin()
            if version is None and not _table_names(connection):
                connection.execute(_SCHEMA.read_text())
                connection.execute("INSERT INTO schema_version VALUES (?)", [version := SCHEMA_VERSION])
            while version in UPGRADES:
                connection.execute(UPGRADES[version])
                version = _version(connection)
            _check_version(connection, path, version)
            yield connection
            connection.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # (a commit that failed has rolled back already)
                connection.rollback()
            if isinstance(error, _DISK_ERRORS):
                raise StoreWriteError(
                    f"store {path} could not be written; what had landed before is safe. Free space on the disk and start "
                    f"the same command again: it goes on ({error})"
                ) from error
            raise
        finally:
            connection.close()


def _writers_turn(path: Path) -> AbstractContextManager[object]:
    """A lake's writers must take turns. A file locks out others by itself: there a turn is but the shorter way to wait."""
    if lake.is_lake(path):
        return _lake_errors(lake.turn(path, _LAKE_PATIENCE_SECONDS))
    return turn(turn_file(path), _PATIENCE_SECONDS)


@contextmanager
def _lake_errors(block: AbstractContextManager[None]) -> Iterator[None]:
    """What goes wrong with a lake, as errors of a store."""
    try:
        with block:
            yield
    except lake.LakeError as error:
        kinds = {lake.LakeMissingError: StoreMissingError, lake.LakeBusyError: StoreBusyError}
        raise kinds.get(type(error), StoreError)(str(error)) from None


@contextmanager
def empty_store() -> Iterator[duckdb.DuckDBPyConnection]:
    """A store in memory that holds nothing."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(_SCHEMA.read_text())
        yield connection


def _make(path: Path) -> None:
    """An empty DuckDB file, made elsewhere and given its name when it is whole: nobody ever meets half a file.

    Where that cannot be done (a disk without hard links, another process that was first) nothing is made here: connecting
    makes it in place, or uses the other's. Raises StoreWriteError where the disk refuses: what connecting would leave
    there is no store, and in the way of the next attempt.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            made = Path(folder) / path.name
            duckdb.connect(str(made)).close()
            os.link(made, path)
    except (OSError, duckdb.Error) as error:
        if any(word in str(error).lower() for word in _REFUSALS):
            raise _refused(path, error, read_only=False) from None


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect, waiting with jitter while another process holds the file."""
    if lake.is_lake(path):
        with _lake_errors(nullcontext()):
            return lake.connect(path, read_only=read_only)
    deadline, wait = time.monotonic() + _PATIENCE_SECONDS, _FIRST_WAIT_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            if not _is_lock_conflict(error):
                raise _unusable(path, error, read_only=read_only) from None
            if time.monotonic() > deadline:
                raise StoreBusyError(
                    f"store {path} has been in use by another process for {_PATIENCE_SECONDS:.0f} s: "
                    f"{_told_holder(error)}; close the program that holds it open (a DuckDB shell, a notebook) and try again"
                ) from None
        time.sleep(wait * random.uniform(0.5, 1.5))
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def holder(path: Path) -> str | None:
    """Who holds a store at this moment, as `python3.12 (PID 4242)`; None where nobody does."""
    with _sharing(path).alone():
        try:
            duckdb.connect(str(path), read_only=True).close()
        except duckdb.Error as error:
            return _told_holder(error) if _is_lock_conflict(error) else None
    return None


def _told_holder(error: duckdb.Error) -> str:
    found = re.search(r"held in (\S*?)([^/\s]+) \(PID (\d+)\)", str(error))
    return f"{found[2]} (PID {found[3]})" if found else "a process that the system does not name"


def _is_lock_conflict(error: duckdb.Error) -> bool:
    text = str(error).lower()
    return "could not set lock" in text or "conflicting lock" in text or "unique file handle conflict" in text


def _refused(path: Path, error: Exception, *, read_only: bool) -> StoreError:
    done, kind = ("read", StoreError) if read_only else ("written", StoreWriteError)
    return kind(
        f"store {path} cannot be {done}; what it holds is safe. Free space on the disk, allow it in {path.parent}, or name "
        f"another with --store ({error})"
    )


def _unusable(path: Path, error: duckdb.Error, *, read_only: bool = True) -> StoreError:
    if any(word in str(error).lower() for word in _REFUSALS):
        return _refused(path, error, read_only=read_only)
    # The message before the file: a trainer may have made the store in between.
    if "does not exist" in str(error).lower() or not path.exists() or path.stat().st_size == 0:
        if not read_only:  # (it was to be made)
            return _refused(path, error, read_only=False)
        return StoreMissingError(
            f"there is no store at {path}; train a run first: python -m train.run demo --store {path}"
        )
    if path.is_dir():
        return StoreError(f"store {path} is a folder; name a file, such as {path / 'rnc.duckdb'}")
    if "newer version" in str(error).lower() or "storage version" in str(error).lower():
        return StoreError(f"store {path} was written by a newer DuckDB than is installed; upgrade the duckdb package")
    return StoreError(
        f"{path} is not a DuckDB store, or is damaged; it was left as it is. Name another with --store. ({error})"
    )


def _back_up(connection: duckdb.DuckDBPyConnection, path: Path, version: int) -> None:
    """Before a store is upgraded, a copy of it as it was; without the copy there is no upgrade."""
    try:
        connection.execute("CHECKPOINT")  # (all of it in the one file that is copied)
        copy = back_up(path, version)
        _LOG.info("store copied before its upgrade", extra={"fields": {"copy": copy, "version": version}})
    except (OSError, *_DISK_ERRORS) as error:
        raise StoreWriteError(
            f"store {path} has schema version {version} and was left as it is, since no copy of it could be written "
            f"beside it before the upgrade; free space on the disk, or allow writing in {path.parent} ({error})"
        ) from error


def _version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The schema's version; None where nothing says so. Of a lake it is asked far sooner than which tables there are."""
    try:
        found = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return found[0] if found else None


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path, version: int | None) -> None:
    if version == SCHEMA_VERSION:
        return
    tables = _table_names(connection)
    if not tables:
        raise StoreMissingError(f"store {path} is empty; train a run first: python -m train.run demo --store {path}")
    if "schema_version" not in tables:
        raise StoreForeignError(f"{path} is a DuckDB file of another program, not a store; name another with --store")
    advice = "train into a new store"
    if version and version > SCHEMA_VERSION:
        advice = "upgrade this program"
    elif version in UPGRADES:
        advice = f"bring it up to date, nothing is lost: python -m rnc.store {path} --upgrade"
    raise (StoreOlderError if version in UPGRADES else StoreError)(
        f"store {path} has schema version {version}, this program reads {SCHEMA_VERSION}; {advice}"
    )


def _table_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    sql = "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database()"
    return {row[0] for row in connection.execute(sql).fetchall()}
