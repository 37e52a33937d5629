"""Names and texts as parts of SQL. Values are bound as parameters wherever DuckDB takes parameters."""

from pathlib import Path


def quoted_name(name: str) -> str:
    """Return a table's or column's name as SQL, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str | Path) -> str:
    """Return a text or path as an SQL string, for the places that take no parameter."""
    return "'" + str(text).replace("'", "''") + "'"
