"""A full read of a store, since DuckDB checks the checksum of a block only when it reads the block."""

from pathlib import Path

import duckdb

from rnc.store.catalog import schema_tables
from rnc.store.connection import StoreError, reading
from rnc.store.quoting import quoted_name


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
            damaged[table] = " ".join(str(error).split())[:200]
    return damaged
