"""Tables of exported figures: rows that say what was measured, and the names of files.

Tested by tests/rnc/ui/charts/test_exported_table.py.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from rnc.conditions import CLEAN, Condition
from rnc.ui.charts.picture_files import FileKind
from rnc.vocabulary import Role

About = Mapping[str, Any]
"""The values that all rows of a figure have in common, of the columns run_id, epoch, split and condition (a slug)."""
_IN_FILE_NAMES = ("split", "condition", "run_id", "epoch")
_MOST_LETTERS = 200
"""Largest length of a file's name without its ending; a file system allows 255 bytes."""
_FIELDS = {field.name: f"condition_{field.name}" for field in fields(Condition)}
"""The columns of the fields of a condition."""


def with_conditions(
    rows: pd.DataFrame, about: About, conditions_of: Callable[[list[str]], pd.DataFrame]
) -> pd.DataFrame:
    """Return the rows with the columns of `about`, and with a column for each field of their condition.

    `conditions_of` returns the conditions (run_id, shown, condition) of runs, for rows that name only the part that their
    condition plays for the run (`shown`).
    """
    missing = {name: value for name, value in about.items() if name not in rows}
    table = rows.assign(**missing)[[*missing, *rows.columns]]
    if "condition" in missing and "shown" in table:
        table["condition"] = table["condition"].where(table["shown"] != Role.CLEAN, str(CLEAN.slug))
    if "condition" not in table and {"run_id", "shown"} <= set(table.columns):
        known = conditions_of(list(table["run_id"].unique()))[["run_id", "shown", "condition"]]
        texts = table.assign(shown=table["shown"].astype(str))
        table = texts.merge(known.drop_duplicates(["run_id", "shown"]), "left", ["run_id", "shown"])
    if "condition" not in table:
        return table
    slugs = table["condition"].astype(object)
    described = {slug: _fields_of(slug) for slug in slugs.dropna().unique()}
    more: dict[str, Any] = {
        column: [described.get(slug, {}).get(name) for slug in slugs] for name, column in _FIELDS.items()
    }
    return table.assign(**more)


def _fields_of(slug: str) -> dict[str, Any]:
    """Return the fields of a condition as numbers and texts; empty for a name that a newer version wrote."""
    try:
        condition = Condition.from_slug(slug)
    except ValueError:
        return {}
    return {name: str(value) if isinstance(value, str) else value for name, value in asdict(condition).items()}


def table_file(rows: pd.DataFrame, kind: FileKind) -> bytes:
    """Return rows as CSV or Parquet."""
    if kind is FileKind.CSV:
        return rows.to_csv(index=False).encode()
    table = io.BytesIO()
    rows.to_parquet(table, index=False)
    return table.getvalue()


def file_name(figure: str, about: About, kind: FileKind) -> str:
    """Return the name of a figure's file: what it shows, and the split, condition, run and epoch that all its rows share."""
    parts = [_plain(figure.lower())]
    for name in _IN_FILE_NAMES:
        if about.get(name) is not None:
            parts.append(_plain(f"epoch{about[name]}" if name == "epoch" else str(about[name])))
    return f"{'-'.join(parts)[:_MOST_LETTERS]}.{kind}"


def _plain(text: str) -> str:
    """Return a text as a part of a file's name, in letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")
