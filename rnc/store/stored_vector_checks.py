"""Checks of vectors from a store: in an untrusted store they may be missing or differ in length.

Tested by tests/pages/test_odd_vectors.py.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from rnc.store.errors import StoreError


def as_matrix(vectors: Iterable[Any]) -> np.ndarray:
    """Return vectors of one length, at least one number each, as rows (n, d) of float64; numbers may be NaN or infinite.

    Raises StoreError if a vector is missing, has a missing number, or differs in length from the others.
    """
    rows = list(vectors)
    is_complete = all(isinstance(row, np.ndarray) and not np.ma.is_masked(row) for row in rows)
    if not is_complete or len({len(row) for row in rows}) != 1 or not len(rows[0]):
        raise StoreError("stored vectors make no sense: they differ in length, or numbers are missing")
    return np.stack(rows).astype(np.float64)
