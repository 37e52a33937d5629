"""Names and texts as parts of SQL. Values are bound as parameters wherever DuckDB accepts parameters.

Tested by tests/rnc/store/test_connection_per_transaction.py.
"""

from pathlib import Path


def quoted_name(name: str) -> str:
    """Return the name of a table or column as SQL, with any characters quoted."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str | Path) -> str:
    """Return a text or path as an SQL string, for the parts of SQL that accept no parameter."""
    return "'" + str(text).replace("'", "''") + "'"
