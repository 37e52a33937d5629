"""Reading of published runs: a folder with one subfolder per run, which holds the run's rows as Parquet, one file per table.

Such a folder is read beside a store, as if its runs were in the store. The gallery of the project is one. The folder may
be untrusted: each run is examined before DuckDB reads it. A run that is damaged or differs from the form that `publish`
writes is left out, with the reason, while the other runs and the store itself are read as usual.

Tested by tests/rnc/store/test_publish_run.py.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rnc.safe_paths import UnsafePathError, checked_name, open_plain_file, path_inside, quoted
from rnc.store.connection_per_transaction import empty_store, reading
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.errors_from_duckdb import one_line
from rnc.store.migrations import SCHEMA_VERSION, empty_table_query, lacking_tables
from rnc.store.open_untrusted_file import open_database
from rnc.store.published_row_checks import bad_files
from rnc.store.quoting import quoted_name, quoted_text
from rnc.store.schema_checks import Columns, schema_tables, stored_version

OLDEST_VERSION = 2  # since this version, columns have only been added; columns that a run lacks are NULL
PUBLISHED_TABLES = (
    "run", "condition", "checkpoint", "run_mark", "run_condition", "layer", "epoch", "metric", "class_metric", "class_mean",
    "classifier", "feature", "attack_path", "projection", "leap",
)  # fmt: skip
MOST_ROWS = {
    "run": 1, "run_mark": 1, "condition": 1_000, "run_condition": 1_000, "checkpoint": 1_000, "layer": 10_000,
    "epoch": 100_000, "classifier": 5_000_000, "class_mean": 20_000_000, "feature": 20_000_000,
    "attack_path": 20_000_000,
}  # fmt: skip
"""Maximum rows of one run in one file."""
MOST_ROWS_OF_OTHERS = 5_000_000
MOST_RUNS = 10_000
_MOST_FILE_BYTES = 4 * 2**30
_MOST_FOOTER_BYTES = 16 * 2**20
_BESIDE = {
    "run": "SELECT *, false AS published FROM {own} UNION ALL BY NAME "
    "SELECT *, true AS published FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})",
    # One row per condition: the store's, or that of any run.
    "condition": "SELECT * FROM {own} UNION ALL BY NAME SELECT DISTINCT ON (condition) * FROM {files} "
    "WHERE condition NOT IN (SELECT condition FROM {own})",
    "checkpoint": "SELECT * FROM {own} UNION ALL BY NAME SELECT * REPLACE ({folder} || '/' || path AS path) "
    "FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})",
}
_OTHERS_BESIDE = (
    "SELECT * FROM {own} UNION ALL BY NAME SELECT * FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})"
)


@dataclass(frozen=True)
class PublishedRuns:
    """The runs of a folder."""

    files: dict[str, dict[str, Path]]
    """Run id -> table -> Parquet file, for the runs that are read."""
    left_out: dict[str, str]
    """Name of a subfolder -> the reason why it is not read."""


_known: dict[Path, tuple[tuple, PublishedRuns]] = {}
_damaged: dict[Path, dict[str, tuple[int, str]]] = {}
_lock = threading.Lock()


def published_runs(folder: Path) -> PublishedRuns:
    """Examine the runs of a folder, or return the cached result if nothing has changed; empty if there is no such folder."""
    home = folder.resolve()
    subfolders = _subfolders(home)
    signature = tuple((name, modified, _states(home / name)) for name, modified in subfolders.items())
    with _lock:
        known = _known.get(home)
        damaged = dict(_damaged.get(home, {}))
    if known is None or known[0] != signature:
        known = signature, _examine_all(home, list(subfolders))
        with _lock:
            _known[home] = known
    runs = known[1]
    bad = {name: reason for name, (modified, reason) in damaged.items() if subfolders.get(name) == modified}
    if not bad:
        return runs
    files = {name: tables for name, tables in runs.files.items() if name not in bad}
    return PublishedRuns(files, runs.left_out | bad)


def published_run_ids(folder: Path) -> list[str]:
    """Return the ids of the readable runs in a folder; empty if there is no such folder."""
    return sorted(published_runs(folder).files)


def is_published_folder(folder: Path) -> bool:
    """Return whether a folder holds published runs, readable or not."""
    return folder.is_dir() and any((folder / name / "run.parquet").exists() for name in _subfolders(folder.resolve()))


@contextmanager
def reading_beside(store: Path, folder: Path, tables: frozenset[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection as `reading` does, with the rows of the folder's runs added to some tables.

    The store may be missing. Table `run` has an additional column `published`. If a run is in both, the store's is used.
    """
    runs = published_runs(folder)
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(reading(store, folder.resolve() if runs.files else None))
        except StoreMissingError:
            if not runs.files:
                raise
            connection = opened.enter_context(empty_store(folder.resolve()))
        if runs.files:
            _add_published_rows(connection, folder.resolve(), runs, tables)
        yield connection


def add_views_of_published_rows(connection: duckdb.DuckDBPyConnection, folder: Path, tables: frozenset[str]) -> None:
    """Add the rows of the folder's runs to some tables of a connection that `reading_beside` opened for others."""
    if (runs := published_runs(folder)).files:
        _add_published_rows(connection, folder.resolve(), runs, tables)


def leave_out_damaged_runs(folder: Path, tables: frozenset[str]) -> bool:
    """Read every file of some tables to its end, and leave out runs for which this fails; return whether there are any."""
    home, damaged = folder.resolve(), {}
    for run_id, files in published_runs(folder).files.items():
        for table in tables & files.keys():
            try:
                with empty_store(home) as connection:
                    connection.execute(
                        f"SELECT count(hash(t)) FROM read_parquet({quoted_text(files[table])}) t"
                    ).fetchall()
            except (duckdb.Error, StoreError) as error:
                reason = f"{table}.parquet cannot be read ({one_line(error, 160)})"
                damaged[run_id] = ((home / run_id).stat().st_mtime_ns, reason)
    with _lock:
        _damaged.setdefault(home, {}).update(damaged)
    return bool(damaged)


def _subfolders(home: Path) -> dict[str, int]:
    """Return the name and modification time of each visible subfolder that is not a link."""
    try:
        return {
            entry.name: entry.stat(follow_symlinks=False).st_mtime_ns
            for entry in sorted(home.iterdir())
            if not entry.name.startswith(".") and entry.is_dir() and not entry.is_symlink()
        }
    except OSError:
        return {}


def _states(run: Path) -> tuple[tuple[int, ...], ...]:
    """Return the state of a run's files; a folder's own modification time does not change if a file is overwritten."""
    states = []
    for table in PUBLISHED_TABLES:
        with suppress(OSError):
            stat = (run / f"{table}.parquet").lstat()
            states.append((stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(states)


def _examine_all(home: Path, names: list[str]) -> PublishedRuns:
    files, left_out = _examine_footers(home, names)
    if not files:
        return PublishedRuns(files, left_out)
    opening = partial(open_database, None, folder=home)
    with opening() as connection:
        for table in PUBLISHED_TABLES:
            of_table = [tables[table] for tables in files.values() if table in tables]
            most = MOST_ROWS.get(table, MOST_ROWS_OF_OTHERS)
            for file, reason in bad_files(connection, opening, of_table, table, most) if of_table else ():
                left_out.setdefault(file.parent.name, reason)
    return PublishedRuns({name: tables for name, tables in files.items() if name not in left_out}, left_out)


def _examine_footers(home: Path, names: list[str]) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    files: dict[str, dict[str, Path]] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if not (home / name / "run.parquet").exists():
            continue  # not a published run
        try:
            if len(files) >= MOST_RUNS:
                raise StoreError(f"a folder has at most {MOST_RUNS:,} runs")
            files[checked_name(name, "run id")] = _examine(home, name)
        except (StoreError, UnsafePathError) as error:
            left_out[name] = str(error)
        except (OSError, pa.ArrowException, ValueError, MemoryError) as error:
            left_out[name] = f"its files cannot be read ({one_line(error, 160)})"
    return files, left_out


def _examine(home: Path, name: str) -> dict[str, Path]:
    """Return the files of a run, table by table. Raises StoreError, UnsafePathError, OSError or pyarrow's errors."""
    files = {}
    for table in PUBLISHED_TABLES:
        recorded = f"{name}/{table}.parquet"
        if (home / recorded).is_symlink() or (home / recorded).exists():
            files[table] = path_inside(home, recorded, "file")
            _examine_file(files[table], name, table, schema_tables()[table])
    return files


def _examine_file(path: Path, run_id: str, table: str, wanted: Columns) -> None:
    with open_plain_file(path, "file", most_bytes=_MOST_FILE_BYTES) as file:
        opened = pq.ParquetFile(
            file, thrift_string_size_limit=_MOST_FOOTER_BYTES, thrift_container_size_limit=_MOST_FOOTER_BYTES
        )
        _check_version(opened.metadata.metadata or {}, table)
        most = MOST_ROWS.get(table, MOST_ROWS_OF_OTHERS)
        if opened.metadata.num_rows > most:
            raise StoreError(
                f"{table}.parquet has {opened.metadata.num_rows:,} rows; at most {most:,} of a run are read"
            )
        names = opened.schema_arrow.names
        if len({name.lower() for name in names}) != len(names):  # DuckDB and pyarrow would read different ones
            raise StoreError(f"{table}.parquet has a column twice")
        for field in opened.schema_arrow:
            kind = _type(field.type)
            if kind != wanted.get(field.name):
                raise StoreError(
                    f"column {quoted(field.name)} of {table}.parquet is {kind}; the schema has no such column"
                )
        if table == "checkpoint":
            for recorded in opened.read(["path"])["path"].to_pylist():
                if not isinstance(recorded, str) or recorded.split("/")[:-1] != [run_id]:
                    raise StoreError(f"network {quoted(str(recorded))} does not lie in the run's folder")
                path_inside(path.parents[1], recorded, "network")


def _check_version(metadata: dict[bytes, bytes], table: str) -> None:
    version = metadata.get(b"schema_version", b"").decode(errors="replace")
    if version not in {str(number) for number in range(OLDEST_VERSION, SCHEMA_VERSION + 1)}:
        raise StoreError(
            f"it was published under schema version {quoted(version) if version else 'none'}, this program reads "
            f"{OLDEST_VERSION} to {SCHEMA_VERSION}; publish it again, or take it out of the folder"
        )


def _type(kind: pa.DataType) -> str:
    """Return an Arrow type as DuckDB's type name, with JSON as text."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{_type(kind.value_type)}[]"
    names = {
        pa.string(): "VARCHAR",
        pa.large_string(): "VARCHAR",
        pa.int32(): "INTEGER",
        pa.float64(): "DOUBLE",
        pa.float32(): "FLOAT",
        pa.timestamp("us"): "TIMESTAMP",
        pa.binary(): "BLOB",
    }
    return names.get(kind, str(kind))


def _add_published_rows(
    connection: duckdb.DuckDBPyConnection, home: Path, runs: PublishedRuns, tables: frozenset[str]
) -> None:
    """Replace tables by temporary views that combine their rows with the folder's rows."""
    row = connection.execute("SELECT current_database()").fetchone()
    assert row
    database = quoted_name(row[0]) + ".main."
    lacking = lacking_tables(stored_version(connection))
    for table in sorted(tables):
        paths = [files[table] for files in runs.files.values() if table in files]  # older runs lack some tables
        if paths:
            listed = ", ".join(quoted_text(path) for path in paths)
            view = _BESIDE.get(table, _OTHERS_BESIDE).format(
                own=f"({empty_table_query(table)})" if table in lacking else database + table,
                runs=database + "run",
                files=f"read_parquet([{listed}], union_by_name = true)",
                folder=quoted_text(home),
            )
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS {view}")
