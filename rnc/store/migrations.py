"""The version of a store's schema: checked before anything is read, and brought up to date by the first command that writes.

The copy of a file before its upgrade is made by `backup.py`: a program of a process of its own, which does not load DuckDB.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""

import duckdb

from rnc.store.backends import Backend
from rnc.store.errors import NotAStoreError, StoreError, StoreMissingError, StoreOlderError
from rnc.store.quoting import quoted_name
from rnc.store.schema_checks import (
    SCHEMA,
    VERSION_TABLE,
    check_columns,
    refuse_added_definitions,
    schema_tables,
    stored_tables,
    stored_version,
)

SCHEMA_VERSION = 5
OLDEST_READ = 4
"""The oldest version that is read without an upgrade; a later one has only the tables in ADDED_TABLES in addition."""
ADDED_TABLES = {"attack_path": 5}
"""Table -> the schema version that added it, since OLDEST_READ; to a reader, an older store has such a table without rows."""
UPGRADES = {
    1: """
        ALTER TABLE run ADD COLUMN execution VARCHAR;
        ALTER TABLE run ADD COLUMN data JSON;
        CREATE TABLE epoch (
            run_id VARCHAR, epoch INTEGER, learning_rate DOUBLE, train_loss DOUBLE,
            train_seconds DOUBLE, measure_seconds DOUBLE, images_per_second DOUBLE
        );
        UPDATE schema_version SET version = 2;
    """,
    2: """
        ALTER TABLE condition ADD COLUMN objective VARCHAR;
        ALTER TABLE condition ADD COLUMN momentum DOUBLE;
        ALTER TABLE condition ADD COLUMN restarts INTEGER;
        ALTER TABLE condition ADD COLUMN schedule VARCHAR;
        ALTER TABLE condition ADD COLUMN target_class INTEGER;
        ALTER TABLE epoch ADD COLUMN attack_seconds DOUBLE;
        ALTER TABLE epoch ADD COLUMN store_seconds DOUBLE;
        CREATE TABLE lab_result (
            key VARCHAR, saved_at TIMESTAMP, title VARCHAR, request JSON, summary JSON, content BLOB
        );
        UPDATE schema_version SET version = 3;
    """,
    3: """
        CREATE TABLE run_mark (run_id VARCHAR, tags VARCHAR[], note VARCHAR, archived_at TIMESTAMP);
        UPDATE schema_version SET version = 4;
    """,
    4: """
        CREATE TABLE attack_path (
            run_id VARCHAR, epoch INTEGER, split VARCHAR, condition VARCHAR,
            step INTEGER, sample INTEGER, predicted INTEGER, vector FLOAT[]
        );
        UPDATE schema_version SET version = 5;
    """,
}
"""Schema version -> the SQL that upgrades a store of that version to the next one."""


def begin_transaction_with_current_schema(connection: duckdb.DuckDBPyConnection, backend: Backend) -> int | None:
    """Begin a transaction, and create the schema or upgrade the store to this version's schema within it.

    Returns the version that the store had, None if it was empty.
    """
    version = checked_version(connection, backend, to_write=True)  # it cannot change until this connection is closed
    if version in UPGRADES:
        backend.back_up(connection, version)
    connection.begin()
    if version is None:
        connection.execute(SCHEMA.read_text())
        connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
    elif version in UPGRADES:
        for step in range(version, SCHEMA_VERSION):
            connection.execute(UPGRADES[step])
        checked_version(connection, backend, in_transaction=True)
    return version


def checked_version(
    connection: duckdb.DuckDBPyConnection, backend: Backend, *, to_write: bool = False, in_transaction: bool = False
) -> int | None:
    """Check all definitions of a store before any of it is read, and return its schema version.

    Raises StoreError if the store cannot be used. A store that is to be written to may be empty (None) or of any older
    version; others are of OLDEST_READ or later.
    """
    path = backend.path
    tables = stored_tables(connection, backend, in_transaction=in_transaction)
    if not tables:
        refuse_added_definitions(connection, backend)
        if to_write:
            return None
        raise StoreMissingError(f"store {path} is empty; train a run first: python -m train.run demo --store {path}")
    if tables.get(VERSION_TABLE) != {"version": "INTEGER"}:
        raise NotAStoreError(f"{path} is a DuckDB file of another program, not a store; name another with --store")
    version = stored_version(connection)
    is_read = version in range(OLDEST_READ, SCHEMA_VERSION + 1)
    if not is_read and not (to_write and version in UPGRADES):
        raise _other_version(backend, version)
    refuse_added_definitions(connection, backend, in_transaction=in_transaction)
    check_columns(tables, path, may_lack=lacking_tables(version) if is_read else schema_tables())
    return version


def lacking_tables(version: int | None) -> set[str]:
    """Return the tables that a store of this version lacks, among versions that are read."""
    return {table for table, added in ADDED_TABLES.items() if version is not None and version < added}


def stand_in_for_lacking_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a reader's connection a temporary view without rows in place of each table that its older store lacks."""
    for table in lacking_tables(stored_version(connection)):
        connection.execute(f"CREATE TEMP VIEW {table} AS {empty_table_query(table)}")


def empty_table_query(table: str) -> str:
    """Return a query whose answer has the columns of a table and no rows."""
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted_name(name)}" for name, kind in schema_tables()[table].items())
    return f"SELECT {columns} WHERE false"


def _other_version(backend: Backend, version: int | None) -> StoreError:
    advice = "train into a new store"
    if version and version > SCHEMA_VERSION:
        advice = "upgrade this program"
    elif version in UPGRADES:
        advice = f"bring it up to date, nothing is lost: python -m rnc.store {backend.path} --upgrade"
    return (StoreOlderError if version in UPGRADES else StoreError)(
        f"store {backend.path} has schema version {version}, this program reads {OLDEST_READ} to {SCHEMA_VERSION}; "
        f"{advice}"
    )
