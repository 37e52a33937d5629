"""Whether all of a store can be read: DuckDB checks a block's checksum when it reads the block, and not before."""

from pathlib import Path

import duckdb

from rnc.store.connection import StoreError, reading


def damaged_tables(path: Path) -> dict[str, str]:
    """Table -> why, for each table of which some block cannot be read; empty for a whole store.

    Raises StoreError where it cannot be opened at all.
    """
    with reading(path) as connection:
        found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY ALL").fetchall()
    damaged = {}
    for (table,) in found:
        try:
            with reading(path) as connection:  # (anew: after such an error a connection answers nothing any more)
                connection.execute(f'SELECT count(hash(t)) FROM "{table}" t').fetchall()
        except (StoreError, duckdb.Error) as error:
            damaged[table] = " ".join(str(error).split())[:200]
    return damaged
