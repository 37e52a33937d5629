"""Comparison of a store's definitions with the schema.

A view, a macro or a generated column in place of a table of the schema would be executed by every page. Therefore only
tables with the schema's columns are read. Tables with other names belong to the user, and this program never reads them.

Tested by tests/security/test_store_files.py.
"""

import re
import threading
from collections.abc import Collection
from functools import cache
from pathlib import Path

import duckdb

from rnc.safe_paths import quoted
from rnc.store.backends import Backend
from rnc.store.errors import StoreError
from rnc.store.open_untrusted_file import open_database

SCHEMA = Path(__file__).with_name("schema.sql")
VERSION_TABLE = "schema_version"
_SCHEMA_VIEW = "measurement"
"""A view for people who write their own queries; no query of this program reads it."""
_OTHER_WORDS = {"inner", "lake", "main", "json", "varchar", "float", "int32", "string"}
"""Words that DuckDB adds to the definition of a view."""
_MOST_COLUMNS = 10_000
MOST_ROWS = {
    VERSION_TABLE: 100, "run": 100_000, "condition": 100_000, "run_condition": 5_000_000, "layer": 10_000_000,
    "checkpoint": 50_000_000, "run_mark": 100_000, "lab_result": 100_000, "epoch": 100_000_000,
}  # fmt: skip
"""Maximum rows of the tables that pages read in full.

A run has one row in `run`; 1,500 runs of 400 epochs have 600,000 rows in `epoch`.
"""

# The queries below name system.main, since a store could contain macros with the names of DuckDB's functions.
Columns = dict[str, str]
"""Column name in lower case -> DuckDB's type in upper case."""
_COLUMNS = f"""
    SELECT columns.table_name, column_name, data_type, column_default, tables.sql
    FROM system.main.duckdb_columns() columns
    JOIN system.main.duckdb_tables() tables USING (database_name, schema_name, table_name)
    WHERE columns.database_name = system.main.current_database() AND columns.schema_name = 'main'
    ORDER BY ALL LIMIT {_MOST_COLUMNS + 1}
"""
_SIZES = f"""
    SELECT table_name, estimated_size FROM system.main.duckdb_tables()
    WHERE database_name = system.main.current_database() AND schema_name = 'main' LIMIT {_MOST_COLUMNS + 1}
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
_KEPT = (_COLUMNS, _DEFINITIONS, _MACROS)
"""The lists that a transaction leaves as they are if it changes rows only; all but the number of rows."""
_known: dict[tuple[Path, str], tuple[tuple, list[tuple]]] = {}
"""(store, query) -> (state of the store's files, answer)."""
_known_lock = threading.Lock()


def stored_tables(
    connection: duckdb.DuckDBPyConnection, backend: Backend, *, in_transaction: bool = False
) -> dict[str, Columns]:
    """Return the tables of a store with their columns, and check the tables of the schema.

    Raises StoreError with the name of a column of the schema's tables that is computed or has a default value, and for more
    rows than pages can read. An empty file has no tables.
    """
    path = backend.path
    tables: dict[str, Columns] = {}
    rows = _listed(connection, backend, _COLUMNS, in_transaction=in_transaction)
    if len(rows) > _MOST_COLUMNS:
        raise StoreError(f"{path} has more than {_MOST_COLUMNS:,} columns; it is no store of this program")
    for table, column, kind, default, sql in rows:
        name = table.lower()
        tables.setdefault(name, {})[column.lower()] = _type(kind)
        if name in _schema() and ((default or "NULL").upper() != "NULL" or "GENERATED" in (sql or "").upper()):
            raise _refusal(path, "generated or default value in column", f"{table}.{column}")
    for table, size in _listed(connection, backend, _SIZES, in_transaction=in_transaction):
        if (name := table.lower()) in _schema() and (size or 0) > (most := MOST_ROWS.get(name, 2**40)):
            raise StoreError(f"table {name} of {path} has {size:,} rows; at most {most:,} are read")
    return tables


def stored_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return a store's schema version. The query calls no function, since a macro could have the function's name."""
    row = connection.execute(
        f"SELECT version FROM main.{VERSION_TABLE} ORDER BY version DESC NULLS LAST LIMIT 1"
    ).fetchone()
    return row[0] if row else None


def refuse_added_definitions(
    connection: duckdb.DuckDBPyConnection, backend: Backend, *, in_transaction: bool = False
) -> None:
    """Raise StoreError with the name of a view, macro, type, schema, index or constraint that was added to a store."""
    definitions = [
        row
        for sql in (_DEFINITIONS, _MACROS)
        for row in _listed(connection, backend, sql, in_transaction=in_transaction)
    ]
    for kind, name, table in definitions:  # for a view, the third column is its SQL
        if kind == "view":
            expected = name == _SCHEMA_VIEW and _words(table) <= _schema_words()
        else:
            expected = kind in ("constraint", "index") and table.lower() not in _schema()
        if not expected:
            raise _refusal(backend.path, kind, name)


def _words(sql: str) -> set[str]:
    """Return the words of SQL: a view with only the schema's words calls no function that the schema does not call."""
    return set(re.findall(r"\w+", sql.lower()))


@cache
def _schema_words() -> set[str]:
    """Return the words that the schema's own view may contain."""
    return _words(SCHEMA.read_text()) | _OTHER_WORDS


def check_columns(tables: dict[str, Columns], path: Path, *, may_lack: Collection[str]) -> None:
    """Raise StoreError with the name of a column that the schema lacks or has with another type.

    No table or column may be missing either, except the tables in `may_lack` and their columns: older stores have fewer.
    """
    for table, wanted in _schema().items():
        columns = tables.get(table, {})
        for column, kind in columns.items():
            if wanted.get(column) != kind:
                expected = f"it should be {wanted[column]}" if column in wanted else "the schema has no such column"
                raise StoreError(
                    f"column {quoted(f'{table}.{column}')} of {path} is {kind[:80]}, {expected}; the store was changed by "
                    "hand or made by another program, and is not read"
                )
        missing = [column for column in wanted if column not in columns]
        if missing and table not in may_lack:
            raise StoreError(
                f"table {table} of {path} lacks {', '.join(missing)}; the store was changed by hand or made by another "
                "program, and is not read"
            )


@cache
def _schema() -> dict[str, Columns]:
    """Return the tables of this version's schema."""
    tables: dict[str, Columns] = {}
    for table, column, kind, *_rest in _schema_list(_COLUMNS):
        tables.setdefault(table, {})[column] = _type(kind)
    return tables


@cache
def _schema_list(sql: str) -> list[tuple]:
    """Return DuckDB's list of the definitions of this version's schema."""
    with open_database(None) as connection:
        connection.execute(SCHEMA.read_text())
        return connection.execute(sql).fetchall()


def schema_tables() -> dict[str, Columns]:
    """Return a copy of the schema's tables: name -> columns (name -> type)."""
    return {table: dict(columns) for table, columns in _schema().items()}


def _type(kind: str) -> str:
    """Return a type in the form used for comparison: JSON is a text that DuckDB displays differently."""
    return kind.upper().replace("JSON", "VARCHAR")


def _listed(connection: duckdb.DuckDBPyConnection, backend: Backend, sql: str, *, in_transaction: bool) -> list[tuple]:
    """Return DuckDB's list of a store's definitions, from the cache if the file is unchanged: it takes longer than opening.

    The cache is not used for changes of a transaction, which are not in the file yet.
    """
    if not in_transaction and backend.is_without_definitions():
        return []
    state = backend.files_state()
    if in_transaction or state is None:
        return connection.execute(sql).fetchall()
    with _known_lock:
        known = _known.get((backend.path, sql))
    if known is None or known[0] != state:
        known = state, connection.execute(sql).fetchall()
        with _known_lock:
            _known[backend.path, sql] = known
    return known[1]


def carry_over_cached_definitions(path: Path, before: tuple, after: tuple, *, created: bool) -> None:
    """Let the lists that are known of a store's files in state `before` stand for their state `after`, too.

    No other process could open the files in between, and the caller changed rows only, or made the schema in an empty store
    (`created`).
    """
    of_schema = {sql: _schema_list(sql) for sql in _KEPT} if created else {}
    with _known_lock:
        for sql in _KEPT:
            known = _known.get((path, sql))
            if created:
                _known[path, sql] = after, of_schema[sql]
            elif known is not None and known[0] == before:
                _known[path, sql] = after, known[1]


def _refusal(path: Path, kind: str, name: str) -> StoreError:
    return StoreError(
        f"store {path} has a {kind} {quoted(name)}, which this program did not make and will not run; if it is yours, drop "
        "it, otherwise do not use the store"
    )
