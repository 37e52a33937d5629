"""The version of a store's schema: checked before anything is read, and brought up to date by the first command that writes.

The copy of a file before its upgrade is made by `backup.py`: a program of a process of its own, which does not load DuckDB.

Tested by tests/rnc/store/test_connection.py.
"""

import duckdb

from rnc.store.backends import Backend
from rnc.store.errors import NotAStoreError, StoreError, StoreMissingError, StoreOlderError
from rnc.store.schema_checks import (
    SCHEMA,
    VERSION_TABLE,
    check_columns,
    check_definitions,
    stored_tables,
    stored_version,
)

SCHEMA_VERSION = 4
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
}
"""Schema version -> the SQL that upgrades a store of that version to the next one."""


def begin_transaction(connection: duckdb.DuckDBPyConnection, backend: Backend) -> None:
    """Begin a transaction, and create the schema or upgrade the store to this version's schema within it."""
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


def checked_version(
    connection: duckdb.DuckDBPyConnection, backend: Backend, *, to_write: bool = False, in_transaction: bool = False
) -> int | None:
    """Check all definitions of a store before any of it is read, and return its schema version.

    Raises StoreError if the store cannot be used. A store that is to be written to may be older, or empty (None).
    """
    path = backend.path
    tables = stored_tables(connection, backend, in_transaction=in_transaction)
    if not tables:
        check_definitions(connection, backend)
        if to_write:
            return None
        raise StoreMissingError(f"store {path} is empty; train a run first: python -m train.run demo --store {path}")
    if tables.get(VERSION_TABLE) != {"version": "INTEGER"}:
        raise NotAStoreError(f"{path} is a DuckDB file of another program, not a store; name another with --store")
    version = stored_version(connection)
    if version != SCHEMA_VERSION and not (to_write and version in UPGRADES):
        raise _other_version(backend, version)
    check_definitions(connection, backend, in_transaction=in_transaction)
    check_columns(tables, path, complete=version == SCHEMA_VERSION)
    return version


def _other_version(backend: Backend, version: int | None) -> StoreError:
    advice = "train into a new store"
    if version and version > SCHEMA_VERSION:
        advice = "upgrade this program"
    elif version in UPGRADES:
        advice = f"bring it up to date, nothing is lost: python -m rnc.store {backend.path} --upgrade"
    return (StoreOlderError if version in UPGRADES else StoreError)(
        f"store {backend.path} has schema version {version}, this program reads {SCHEMA_VERSION}; {advice}"
    )
