"""A full read of a store, since DuckDB checks the checksum of a block only when it reads the block.

Tested by tests/rnc/doctor/test_doctor.py.
"""

from pathlib import Path

import duckdb

from rnc.store.errors import StoreError
from rnc.store.errors_from_duckdb import one_line
from rnc.store.quoting import quoted_name
from rnc.store.schema_checks import schema_tables
from rnc.store.transactions import reading


def damaged_tables(path: Path) -> dict[str, str]:
    """Return the error message for each table of the schema that has an unreadable block; empty for an intact store.

    Raises StoreError if the store cannot be opened at all.
    """
    with reading(path):
        pass
    damaged = {}
    for table in sorted(schema_tables()):
        try:
            with reading(path) as connection:  # a new one per table: an error makes a connection unusable
                connection.execute(f"SELECT count(hash(t)) FROM {quoted_name(table)} t").fetchall()
        except (StoreError, duckdb.Error) as error:
            damaged[table] = one_line(error, 200)
    return damaged
