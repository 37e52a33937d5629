"""The smallest runs that the training tests share."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rnc.store.connection_per_transaction import reading
from train.config import RunConfig

SMALL = RunConfig(epochs=1, steps=1, sample_size=20, umap=False)
FLAGS = ["--epochs", "1", "--steps", "1", "--sample-size", "20", "--no-umap"]
"""The same on the command line."""


def small(**changes: Any) -> RunConfig:
    """SMALL with changes."""
    return replace(SMALL, **changes)


def ask(path: Path, sql: str, *arguments: Any) -> list[tuple]:
    """The rows of a query."""
    with reading(path) as connection:
        return connection.execute(sql, list(arguments)).fetchall()
