"""Rows to be written to the store, gathered table by table as Arrow columns."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


class Rows:
    """The rows that one transaction will write."""

    def __init__(self) -> None:
        """Start without rows."""
        self._chunks: dict[str, list[pa.Table]] = defaultdict(list)

    def add(self, table: str, **columns: Any) -> None:
        """Add rows: each column is a sequence, an Arrow array, a (rows, d) array of vectors, or one value for all rows.

        Raises ValueError if the sequences differ in length.
        """
        sequences = {name: value for name, value in columns.items() if _is_sequence(value)}
        lengths = {len(value) for value in sequences.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns of {table} differ in length: { {n: len(v) for n, v in sequences.items()} }")
        length = lengths.pop() if lengths else 1
        arrays = {name: _column(value if name in sequences else [value] * length) for name, value in columns.items()}
        self._chunks[table].append(pa.table(arrays))

    def extend(self, others: "Rows") -> None:
        """Add all rows of another object."""
        for table, chunks in others._chunks.items():
            self._chunks[table] += chunks

    def tables(self) -> dict[str, pa.Table]:
        """Return the gathered rows of every table."""
        return {name: pa.concat_tables(chunks, promote_options="permissive") for name, chunks in self._chunks.items()}


def text_column(texts: Sequence[str], places: np.ndarray) -> pa.Array:
    """Return a long column of few distinct texts, given the index (rows,) of each row's text; each text is stored once."""
    return pa.DictionaryArray.from_arrays(places.astype(np.int32), [str(text) for text in texts])


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple | range | np.ndarray | pa.Array)


def _column(value: Any) -> pa.Array:
    if isinstance(value, pa.Array):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 2:
        flat = pa.array(np.ascontiguousarray(value, dtype=np.float32).reshape(-1))
        return pa.ListArray.from_arrays(np.arange(0, value.size + 1, value.shape[1], dtype=np.int32), flat)
    return pa.array([str(v) for v in value] if len(value) and isinstance(value[0], str) else value)
