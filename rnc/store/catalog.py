"""Compare what a store's file defines with the schema.

A view, a macro or a generated column that a stranger put in the place of a table would be run by every page. Only tables that
have the schema's columns are read; tables under other names are somebody's own, and nothing here reads them.
"""

import re
import threading
from functools import cache
from pathlib import Path

import duckdb

from rnc.safe_paths import shown
from rnc.store import lake
from rnc.store.database import open_database
from rnc.store.errors import StoreError

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION_TABLE = "schema_version"
_OWN_VIEW = "measurement"
"""For people who query by hand; no query of this program reads it."""
_OTHER_WORDS = {"inner", "lake", "main", "json", "varchar", "float", "int32", "string"}
"""Which DuckDB adds when it says what a view selects."""
_MOST_COLUMNS = 10_000
MOST_ROWS = {
    VERSION_TABLE: 100, "run": 100_000, "condition": 100_000, "run_condition": 5_000_000, "layer": 10_000_000,
    "checkpoint": 50_000_000, "run_mark": 100_000, "lab_result": 100_000, "epoch": 100_000_000,
}  # fmt: skip
"""Of the tables that pages read whole. A run has one row in `run`, and 1,500 runs of 400 epochs have 600,000 in `epoch`."""

# (system.main: else a macro of the store that is called duckdb_functions would be asked whether there are macros)
Columns = dict[str, str]
"""Column name -> DuckDB's type, in lower and upper case."""
_FOUND = f"""
    SELECT columns.table_name, column_name, data_type, column_default, estimated_size, tables.sql
    FROM system.main.duckdb_columns() columns
    JOIN system.main.duckdb_tables() tables USING (database_name, schema_name, table_name)
    WHERE columns.database_name = system.main.current_database() AND columns.schema_name = 'main'
    ORDER BY ALL LIMIT {_MOST_COLUMNS + 1}
"""
_DEFINITIONS = """
    SELECT 'view', view_name, sql FROM system.main.duckdb_views()
        WHERE database_name = system.main.current_database() AND NOT internal
    UNION ALL SELECT 'schema', schema_name, NULL FROM system.main.duckdb_schemas()
        WHERE database_name = system.main.current_database() AND NOT internal AND schema_name <> 'main'
    UNION ALL SELECT 'type', type_name, NULL FROM system.main.duckdb_types()
        WHERE database_name = system.main.current_database() AND NOT internal
    UNION ALL SELECT 'index', index_name, table_name FROM system.main.duckdb_indexes()
        WHERE database_name = system.main.current_database()
    UNION ALL SELECT 'constraint', constraint_text, table_name FROM system.main.duckdb_constraints()
        WHERE database_name = system.main.current_database()
    LIMIT 1000
"""
_MACROS = """
    SELECT 'macro', function_name, NULL FROM system.main.duckdb_functions()
    WHERE database_name = system.main.current_database() AND NOT internal LIMIT 1000
"""
_known: dict[tuple[Path, str], tuple[tuple, list[tuple]]] = {}
"""(store, question) -> the state of its files, and the answer."""
_known_lock = threading.Lock()


def tables_found(connection: duckdb.DuckDBPyConnection, path: Path, *, anew: bool = False) -> dict[str, Columns]:
    """Return the tables of a store with their columns, and check those that the schema knows.

    Raises StoreError, naming it, for a column of the schema's tables that computes something or is of another type, and
    for more rows than pages could read. An empty file has no tables.
    """
    found: dict[str, Columns] = {}
    rows = _listed(connection, path, _FOUND, anew=anew)
    if len(rows) > _MOST_COLUMNS:
        raise StoreError(f"{path} has more than {_MOST_COLUMNS:,} columns; it is no store of this program")
    for table, column, kind, default, size, sql in rows:
        name = table.lower()
        found.setdefault(name, {})[column.lower()] = _type(kind)
        if name in _schema():
            if (default or "NULL").upper() != "NULL" or "GENERATED" in (sql or "").upper():
                raise _refusal(path, "generated or default value in column", f"{table}.{column}")
            if (size or 0) > (most := MOST_ROWS.get(name, 2**40)):
                raise StoreError(f"table {name} of {path} has {size:,} rows; at most {most:,} are read")
    return found


def stored_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version that a store says its schema has. No function is called: a macro could have its name."""
    found = connection.execute(
        f"SELECT version FROM main.{VERSION_TABLE} ORDER BY version DESC NULLS LAST LIMIT 1"
    ).fetchone()
    return found[0] if found else None


def check_definitions(connection: duckdb.DuckDBPyConnection, path: Path, *, anew: bool = False) -> None:
    """Raise StoreError, naming it, for a view, macro, type, schema, index or constraint that somebody added to a store."""
    found = [row for sql in (_DEFINITIONS, _MACROS) for row in _listed(connection, path, sql, anew=anew)]
    for kind, name, table in found:  # (of a view, what it selects)
        if kind == "view":
            own = name == _OWN_VIEW and _words(table) <= _own_words()
        else:
            own = kind in ("constraint", "index") and table.lower() not in _schema()
        if not own:
            raise _refusal(path, kind, name)


def _words(sql: str) -> set[str]:
    """Return the words of SQL: a view that has only those of the schema calls no function that the schema does not call."""
    return set(re.findall(r"\w+", sql.lower()))


@cache
def _own_words() -> set[str]:
    """Return the words that the schema's own view may have."""
    return _words(SCHEMA.read_text()) | _OTHER_WORDS


def check_columns(found: dict[str, Columns], path: Path, *, complete: bool) -> None:
    """Raise StoreError, naming it, for a column that the schema does not have or has with another type.

    `complete` says that the store is of this version, so that no table or column may be missing either.
    """
    for table, wanted in _schema().items():
        columns = found.get(table, {})
        for column, kind in columns.items():
            if wanted.get(column) != kind:
                expected = f"it should be {wanted[column]}" if column in wanted else "the schema has no such column"
                raise StoreError(
                    f"column {shown(f'{table}.{column}')} of {path} is {kind[:80]}, {expected}; the store was changed by "
                    "hand or made by another program, and is not read"
                )
        if complete and (missing := [column for column in wanted if column not in columns]):
            raise StoreError(
                f"table {table} of {path} lacks {', '.join(missing)}; the store was changed by hand or made by another "
                "program, and is not read"
            )


@cache
def _schema() -> dict[str, Columns]:
    """Return the tables of this version's schema."""
    with open_database(None) as connection:
        connection.execute(SCHEMA.read_text())
        tables: dict[str, Columns] = {}
        for table, column, kind, *_rest in connection.execute(_FOUND).fetchall():
            tables.setdefault(table, {})[column] = _type(kind)
        return tables


def schema_tables() -> dict[str, Columns]:
    """Return a copy of the schema's tables: name -> columns (name -> type)."""
    return {table: dict(columns) for table, columns in _schema().items()}


def _type(kind: str) -> str:
    """Return a type as it is compared: JSON is a text that DuckDB shows in another way."""
    return kind.upper().replace("JSON", "VARCHAR")


def _listed(connection: duckdb.DuckDBPyConnection, path: Path, sql: str, *, anew: bool) -> list[tuple]:
    """Return what DuckDB lists of a store. It takes longer than opening: a file that has not changed is not asked again.

    `anew` is for what a transaction has changed that is not in the file yet; a lake's catalog is in no file.
    """
    if anew or lake.is_lake(path):
        return connection.execute(sql).fetchall()
    state = tuple(_state(file) for file in (path, path.with_name(path.name + ".wal")))
    with _known_lock:
        known = _known.get((path, sql))
    if known is None or known[0] != state:
        known = state, connection.execute(sql).fetchall()
        with _known_lock:
            _known[path, sql] = known
    return known[1]


def _state(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns  # (the last cannot be set)
    except OSError:
        return ()


def _refusal(path: Path, kind: str, name: str) -> StoreError:
    return StoreError(
        f"store {path} has a {kind} {shown(name)}, which this program did not make and will not run; if it is yours, drop "
        "it, otherwise do not use the store"
    )
