"""A full read of a store, since DuckDB checks the checksum of a block only when it reads the block.

Tested by tests/rnc/doctor/test_doctor.py.
"""

from pathlib import Path

import duckdb

from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.errors_from_duckdb import one_line
from rnc.store.quoting import quoted_name
from rnc.store.schema_checks import schema_tables


def damaged_tables(path: Path) -> dict[str, str]:
    """Return the error message for each table of the schema that has an unreadable block; empty for an intact store.

    Raises StoreError if the store cannot be opened at all.
    """
    with reading(path):
        pass
    damaged: dict[str, str] = {}
    left = sorted(schema_tables())
    while left:
        table = left.pop(0)
        try:
            with reading(path) as connection:  # a new one after each error, which makes a connection unusable
                _read(connection, table)
                while left:
                    table = left.pop(0)
                    _read(connection, table)
        except (StoreError, duckdb.Error) as error:
            damaged[table] = one_line(error, 200)
    return damaged


def _read(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    connection.execute(f"SELECT count(hash(t)) FROM {quoted_name(table)} t").fetchall()
