"""Read all of a store: DuckDB checks a block's checksum when it reads the block, and not before."""

from pathlib import Path

import duckdb

from rnc.store.catalog import schema_tables
from rnc.store.connection import StoreError, reading
from rnc.store.quoting import quoted_name


def damaged_tables(path: Path) -> dict[str, str]:
    """Return why, for each table of the schema of which some block cannot be read; empty for a whole store.

    Raises StoreError where the store cannot be opened at all.
    """
    with reading(path):
        pass
    damaged = {}
    for table in sorted(schema_tables()):
        try:
            with reading(path) as connection:  # (anew: after such an error a connection answers nothing any more)
                connection.execute(f"SELECT count(hash(t)) FROM {quoted_name(table)} t").fetchall()
        except (StoreError, duckdb.Error) as error:
            damaged[table] = " ".join(str(error).split())[:200]
    return damaged
