"""Checks of all rows of published runs before a query reads them: their run, number, width and conditions.

A file's footer cannot be trusted: its statistics can name another run than its rows, and a kilobyte of Parquet can expand
to gigabytes of one text or vector.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from rnc.conditions import Condition
from rnc.safe_paths import quoted
from rnc.store.checked_run_configs import checked_config
from rnc.store.errors import StoreError
from rnc.store.errors_from_duckdb import one_line
from rnc.store.quoting import quoted_name, quoted_text
from rnc.store.schema_checks import schema_tables
from rnc.vocabulary import LabelRule

MOST_TEXT_BYTES, MOST_ITEMS = 1_000_000, 1_000_000
"""Maximum bytes of one text, and maximum length of one list."""
_Opening = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]


def bad_files(
    connection: duckdb.DuckDBPyConnection, opening: _Opening, files: list[Path], table: str, most_rows: int
) -> list[tuple[Path, str]]:
    """Read the same table of several runs; return each invalid file with the reason.

    `connection` can read the files. If it fails on one of them, each file is read through its own connection from `opening`.
    """
    try:
        return list(_bad_rows(connection, files, table, most_rows))
    except duckdb.Error:
        return [bad for file in files for bad in _bad_file(opening, file, table, most_rows)]


def _bad_file(opening: _Opening, file: Path, table: str, most_rows: int) -> list[tuple[Path, str]]:
    try:
        with opening() as connection:
            return list(_bad_rows(connection, [file], table, most_rows))
    except duckdb.Error as error:
        return [(file, f"{file.name} cannot be read ({one_line(error, 160)})")]


def _bad_rows(
    connection: duckdb.DuckDBPyConnection, files: list[Path], table: str, most_rows: int
) -> Iterator[tuple[Path, str]]:
    listed = ", ".join(quoted_text(file) for file in files)
    source = f"read_parquet([{listed}], union_by_name = true, filename = true)"
    there = {column[0] for column in connection.execute(f"SELECT * FROM {source} LIMIT 0").description or []}
    kinds = {name: kind for name, kind in schema_tables()[table].items() if name in there}
    key = "condition" if table == "condition" else "run_id"
    if key not in kinds:
        yield from ((file, f"{file.name} has no column {key}") for file in files)
        return
    widest = ", ".join(_widest(name, kind) for name, kind in kinds.items())
    summaries = connection.execute(
        f"SELECT filename, count(*), count({key}), min({key}), max({key}), {widest} FROM {source} GROUP BY filename"
    ).fetchall()
    for name, rows, named, first, last, *widths in summaries:
        file = Path(name)
        try:
            if rows > most_rows:
                raise StoreError(f"{file.name} has {rows:,} rows; at most {most_rows:,} of a run are read")
            _check_widths(file, kinds, widths)
            if key == "run_id" and not (named == rows and first == last == file.parent.name):
                raise StoreError(f"{file.name} has rows of another run")
            if table == "condition":
                _check_conditions(connection, file)
            if table == "run":
                _check_run(connection, file)
        except StoreError as error:
            yield file, str(error)


def _widest(name: str, kind: str) -> str:
    """Return SQL that reads a whole column and gives the width of its widest entry, or its largest number."""
    column = quoted_name(name)
    if kind == "VARCHAR[]":
        return f"max(strlen(CAST({column} AS VARCHAR)))"
    if kind.endswith("[]"):
        return f"max(len({column}))"
    return f"max(strlen({column}))" if kind == "VARCHAR" else f"max({column})"


def _check_widths(file: Path, kinds: dict[str, str], widths: list[Any]) -> None:
    for (name, kind), width in zip(kinds.items(), widths, strict=True):
        most = MOST_TEXT_BYTES if kind.startswith("VARCHAR") else MOST_ITEMS if kind.endswith("[]") else math.inf
        if isinstance(width, int) and width > most:
            raise StoreError(f"{file.name} has an entry of {width:,} in column {name}; at most {most:,} are read")


def _check_run(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Raise StoreError for a run that pages cannot use, since they could then show none of the other runs either."""
    sql = f"SELECT run_id, config, classes FROM read_parquet({quoted_text(file)})"
    for run_id, config, classes in connection.execute(sql).fetchall():
        checked_config(run_id, config, classes)


def _check_conditions(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Raise StoreError if a condition differs from its slug: it would change the meaning of other runs with that slug."""
    source = connection.execute(f"SELECT * FROM read_parquet({quoted_text(file)})")
    for row in source.to_arrow_table().to_pylist():
        try:
            named = Condition.from_slug(row["condition"])
        except (ValueError, AttributeError, TypeError, AssertionError):
            raise StoreError(f"condition {quoted(str(row['condition']))} is none") from None
        for name, value in row.items():
            if name != "condition" and not _agrees(named, name, value):
                raise StoreError(
                    f"condition {row['condition']} has {name} {quoted(str(value))}, which its name does not say"
                )


def _agrees(condition: Condition, name: str, value: Any) -> bool:
    named = getattr(condition, name)
    if value is None:  # the default value, or a column that an older schema lacks
        usual = LabelRule.TRUE if name == "label_rule" else getattr(Condition, name, None)
        return named is None or named == usual
    if isinstance(value, float) and isinstance(named, float | int):
        return math.isclose(value, named, rel_tol=1e-6)
    return bool(value == named)
