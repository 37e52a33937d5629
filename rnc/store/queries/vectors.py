"""Queries for vectors of classes: class means and the classifier's rows.

Tested by tests/rnc/store/test_reader.py.
"""

import numpy as np
import pandas as pd

from rnc.store.cached_queries import CachedQueries
from rnc.store.checked_run_configs import MOST_CLASSES
from rnc.store.errors import StoreError
from rnc.store.queries.shown_condition_name import SHOWN
from rnc.store.stored_vector_checks import as_matrix
from rnc.vocabulary import FEATURES_LAYER

MOST_VECTOR_NUMBERS = 2**26
"""Maximum count of numbers in the class means, or classifier rows, of one epoch: half a GiB of float64."""


class VectorQueries:
    """Queries for vectors of classes: class means and the classifier's rows."""

    def __init__(self, cached: CachedQueries) -> None:
        """Set the queries' way to the store."""
        self._cached = cached

    def epochs(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, epoch: the epochs with stored vectors."""
        return self._cached.query(
            "SELECT DISTINCT run_id, epoch FROM class_mean WHERE list_contains(?, run_id) ORDER BY ALL", run_ids
        )

    def class_means(self, run_id: str, epoch: int, split: str, condition: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes present (C',) and their means (C', d), not centred."""
        return _vectors(
            self._cached.query(
                """SELECT class, vector FROM class_mean
                   WHERE run_id = ? AND epoch = ? AND split = ? AND condition = ? AND layer = ? ORDER BY class""",
                run_id,
                epoch,
                split,
                condition,
                FEATURES_LAYER,
            )
        )

    def means_over_epochs(self, run_ids: list[str], shown: list[str], split: str) -> pd.DataFrame:
        """Return run_id, shown, condition, epoch, class, vector: the class means (not centred) at all epochs that have them."""
        return self._cached.query(
            f"""WITH mine AS MATERIALIZED (SELECT * FROM class_mean WHERE list_contains($runs, run_id))
                SELECT m.run_id, {SHOWN} AS shown, m.condition, m.epoch, m.class, m.vector
                FROM mine m
                JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                WHERE m.split = $split AND m.layer = '{FEATURES_LAYER}' AND list_contains($shown, shown)
                ORDER BY m.run_id, shown, m.condition, m.epoch, m.class""",
            runs=run_ids,
            shown=shown,
            split=split,
        )

    def classes_and_classifier_rows(self, run_id: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes (C,) and the classifier's rows (C, d)."""
        return _vectors(
            self._cached.query(
                "SELECT class, vector FROM classifier WHERE run_id = ? AND epoch = ? ORDER BY class", run_id, epoch
            )
        )

    def classifier_with_biases(self, run_id: str, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the classes (C,), the classifier's rows (C, d) and its biases (C,)."""
        rows = self._cached.query(
            "SELECT class, vector, bias FROM classifier WHERE run_id = ? AND epoch = ? ORDER BY class", run_id, epoch
        )
        return *_vectors(rows), rows["bias"].to_numpy(np.float64, na_value=np.nan)


def _vectors(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes (C',) and their vectors (C', d). Raises StoreError if they are invalid or too many."""
    if rows.empty:
        return np.zeros(0, dtype=int), np.zeros((0, 0))
    classes = rows["class"].to_numpy()
    width = max(0 if vector is None or vector is pd.NA else len(vector) for vector in rows["vector"])
    if len(classes) > MOST_CLASSES or len(classes) * width > MOST_VECTOR_NUMBERS:
        raise StoreError(
            f"{len(classes):,} class vectors of {width:,} numbers are stored for one epoch; at most "
            f"{MOST_CLASSES:,} vectors and {MOST_VECTOR_NUMBERS:,} numbers are read"
        )
    if rows["class"].isna().any() or (classes < 0).any() or rows["class"].duplicated().any():
        raise StoreError("the class vectors of an epoch make no sense: they name a class twice, or none")
    return classes, as_matrix(rows["vector"])
