"""Queries for sampled features: their vectors and their coordinates in the plane, only as many as are drawn.

Tested by tests/rnc/store/test_sample_queries.py.
"""

import pandas as pd

from rnc.store.cached_queries import CachedQueries
from rnc.store.queries.runs import RunQueries
from rnc.store.queries.shown_condition_name import SHOWN
from rnc.store.queries.simplex_extent import SIMPLEX_EXTENT
from rnc.vocabulary import ProjectionMethod, RunState

EVERY_SAMPLE = 2**31
"""Value of `most` for all stored samples."""

_EVERY_EPOCH = -1

_SPREAD = 2654435761  # an odd number near 2^32 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4
_DRAWN = f"""drawn AS (
                   SELECT sample, (SELECT count(DISTINCT sample) FROM here) AS stored FROM (
                       SELECT sample, row_number() OVER (
                           PARTITION BY label ORDER BY CAST(sample AS BIGINT) * {_SPREAD} % 4294967296, sample
                       ) AS place
                       FROM (SELECT DISTINCT sample, label FROM here)
                   ) WHERE place <= greatest($most // (SELECT count(DISTINCT label) FROM here), 1)
               )"""
"""SQL that draws at most `$most` samples of `here`, the same number from each class, but at least one.

The choice is the same at every epoch, under every condition and for every run that has these samples; a smaller choice is
part of a larger one. `stored` is the number of samples in `here`.
"""


class SampleQueries:
    """Queries for sampled features and their coordinates in the plane."""

    def __init__(self, cached: CachedQueries, runs: RunQueries) -> None:
        """Set the queries' way to the store, and the queries for runs."""
        self._cached, self._runs = cached, runs

    def projection(
        self, run_id: str, epoch: int, split: str, conditions: list[str], method: str, most: int = EVERY_SAMPLE
    ) -> pd.DataFrame:
        """Return shown, condition, sample, label, predicted, x, y, stored of at most `most` samples of an epoch."""
        return self._cached.query(
            f"""WITH here AS MATERIALIZED (
                   SELECT p.condition, p.sample, f.label, f.predicted, p.coordinates
                   FROM projection p JOIN feature f USING (run_id, epoch, split, condition, sample)
                   WHERE p.run_id = $run AND p.epoch = $epoch AND p.split = $split
                     AND list_contains($conditions, p.condition) AND p.method = $method
               ), {_DRAWN}
               SELECT {SHOWN} AS shown, here.condition, here.sample, here.label, here.predicted,
                      here.coordinates[1] AS x, here.coordinates[2] AS y, drawn.stored
               FROM here JOIN drawn USING (sample)
               JOIN run_condition rc ON rc.run_id = $run AND rc.condition = here.condition
               ORDER BY ALL""",
            run=run_id,
            epoch=epoch,
            split=split,
            conditions=conditions,
            method=method,
            most=most,
        )

    def available_projections(self, run_id: str) -> pd.DataFrame:
        """Return method, epoch, split, condition of the stored projections."""
        return self._cached.query(
            "SELECT DISTINCT method, epoch, split, condition FROM projection WHERE run_id = ? ORDER BY ALL", run_id
        )

    def projected_extent(self, run_id: str, split: str, method: str) -> pd.DataFrame:
        """Return x, y in two rows: their minima and maxima over all stored epochs, conditions and samples; NULL without any."""
        return self._cached.query(
            """SELECT unnest([min(x), max(x)]) AS x, unnest([min(y), max(y)]) AS y FROM (
                   SELECT coordinates[1] AS x, coordinates[2] AS y FROM projection
                   WHERE run_id = $run AND split = $split AND method = $method
               ) WHERE isfinite(x) AND isfinite(y)""",
            run=run_id,
            split=split,
            method=method,
        )

    def simplex_extent_of_all_epochs(self, run_id: str, split: str, labels: list[int]) -> pd.DataFrame:
        """Return is_vertex, x, y in two rows each: minima and maxima in the simplex planes of three classes, over all epochs.

        A plane is spanned by the clean class means of its epoch, as by `rnc.class_mean_geometry.SimplexSpan`, and has the
        samples of the three classes under all conditions; `is_vertex` marks the extent of the means themselves. An epoch whose
        means span no plane is left out. The numbers are exact, because the aggregation reads each vector once and needs only
        its inner products with three means.
        """
        return self._cached.query(SIMPLEX_EXTENT, run=run_id, split=split, labels=labels)

    def features_at_epoch(
        self,
        run_id: str,
        epoch: int,
        split: str,
        conditions: list[str],
        labels: list[int] | None = None,
        most: int = EVERY_SAMPLE,
        is_kept: bool = True,
    ) -> pd.DataFrame:
        """Return shown, condition, sample, label, predicted, vector, stored of an epoch's sampled features.

        `labels` limits them to some classes, `most` to a number of samples. The answer is not kept if `is_kept` is False, for
        callers that read every epoch once.
        """
        query = self._cached.query if is_kept else self._cached.query_uncached
        return query(
            f"""WITH here AS MATERIALIZED (
                   SELECT condition, sample, label, predicted FROM feature
                   WHERE run_id = $run AND epoch = $epoch AND split = $split AND list_contains($conditions, condition)
                     AND (len($labels) = 0 OR list_contains($labels, label))
               ), {_DRAWN}
               SELECT {SHOWN} AS shown, f.condition, f.sample, f.label, f.predicted, f.vector, drawn.stored
               FROM feature f JOIN drawn USING (sample)
               JOIN run_condition rc ON rc.run_id = f.run_id AND rc.condition = f.condition
               WHERE f.run_id = $run AND f.epoch = $epoch AND f.split = $split AND list_contains($conditions, f.condition)
               ORDER BY ALL""",
            run=run_id,
            epoch=epoch,
            split=split,
            conditions=conditions,
            labels=labels or [],
            most=most,
        )

    def epochs_and_conditions_with_features(self, run_id: str) -> pd.DataFrame:
        """Return epoch, split, condition of the stored features."""
        return self._cached.query(
            "SELECT DISTINCT epoch, split, condition FROM feature WHERE run_id = ? ORDER BY ALL", run_id
        )

    def features(self, run_id: str) -> pd.DataFrame:
        """Return epoch, split, condition, sample, label, vector of every sampled feature of a run."""
        return self._cached.query(
            "SELECT epoch, split, condition, sample, label, vector FROM feature WHERE run_id = ? ORDER BY ALL", run_id
        )

    def features_along_attack(self, run_id: str, split: str, condition: str, epoch: int | None = None) -> pd.DataFrame:
        """Return epoch, step, sample, predicted, vector of the sampled features along a condition's attack; maybe none.

        Step 0 is the random start. The path begins before it, with the clean features, and ends with those of the condition.
        `epoch` limits them to one epoch. The answer is not kept.
        """
        return self._cached.query_uncached(
            """SELECT epoch, step, sample, predicted, vector FROM attack_path
               WHERE run_id = $run AND split = $split AND condition = $condition AND ($epoch < 0 OR epoch = $epoch)
               ORDER BY ALL""",
            run=run_id,
            split=split,
            condition=condition,
            epoch=_EVERY_EPOCH if epoch is None else epoch,
        )

    def training_will_add_umap(self, run_id: str) -> bool:
        """Return whether the run is still training and its planned UMAP is not stored yet."""
        runs = self._runs.all()
        alive = runs[(runs["run_id"] == run_id) & (runs["state"] == RunState.RUNNING)]
        is_stored = (self.available_projections(run_id)["method"] == ProjectionMethod.UMAP).any()
        return not alive.empty and bool(alive["umap"].iloc[0]) and not is_stored
