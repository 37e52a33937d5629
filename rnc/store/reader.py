"""Named queries to the store with DataFrames as answers. The dashboard's SELECTs are here and in the reader's base classes.

Caching: `rnc/store/cached_queries.py`. Results are shared: do not change them in place.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from rnc.conditions import CLEAN
from rnc.store.backends import backend_of
from rnc.store.clock import utc_now
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.files import network_inside
from rnc.store.metric_queries import SHOWN
from rnc.store.run_annotations import TABLES_OF_A_RUN
from rnc.store.run_rows import MOST_CLASSES, with_configs
from rnc.store.sample_queries import SampleReader
from rnc.store.vectors import as_matrix
from rnc.vocabulary import (
    FEATURES_LAYER,
    MOST_RESULT_BYTES,
    STALE_SECONDS,
    ProjectionMethod,
    RunState,
    Split,
)

MOST_VECTOR_NUMBERS = 2**26
"""Maximum count of numbers in the class means, or classifier rows, of one epoch: half a GiB of float64."""


@dataclass(frozen=True)
class KeptResult:
    """A result of the lab as kept in the store."""

    title: str
    saved_at: datetime
    """UTC, without a time zone."""
    request: str
    """JSON."""
    content: bytes


class StoreReader(SampleReader):
    """Queries to one store file and the published runs beside it. Safe to share between threads."""

    _told_runs: tuple[pd.DataFrame | None, pd.DataFrame] = (None, pd.DataFrame())

    def runs(self) -> pd.DataFrame:
        """Return one row per run, newest first: the columns of table `run`, its config's fields, and the current state.

        `tags` (a list), `note` and `archived` are the user's annotations (`rnc/store/run_annotations.py`). `published` marks
        runs of
        the gallery, `synthetic` runs with made-up numbers, and `images_from` is the name by which `rnc.datasets` finds the
        images.
        """
        found = self._ask(
            """SELECT r.*, coalesce(m.tags, []) AS tags, coalesce(m.note, '') AS note, m.archived_at IS NOT NULL AS archived
               FROM run r LEFT JOIN run_mark m ON m.run_id = r.run_id ORDER BY r.started_at DESC, r.run_id"""
        )
        if found.empty:
            return found
        asked, told = self._told_runs
        if asked is not found:  # parsed once, since pages query several times and there may be hundreds of configs
            told = with_configs(found)
            self._told_runs = found, told
        oldest_alive = utc_now() - timedelta(seconds=STALE_SECONDS)
        stale = (told["state"] == RunState.RUNNING) & (told["heartbeat_at"] < oldest_alive)
        return told.assign(state=told["state"].mask(stale, str(RunState.INTERRUPTED))) if stale.any() else told

    def conditions(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, role, shown and the columns of table `condition`, for each condition of the runs."""
        return self._ask(
            f"""SELECT rc.run_id, rc.role, {SHOWN} AS shown, c.*
               FROM run_condition rc JOIN condition c USING (condition)
               WHERE list_contains(?, rc.run_id) ORDER BY rc.run_id, rc.role, c.condition""",
            run_ids,
        )

    def vector_epochs(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, epoch: the epochs with stored vectors."""
        return self._ask(
            "SELECT DISTINCT run_id, epoch FROM class_mean WHERE list_contains(?, run_id) ORDER BY ALL", run_ids
        )

    def curves(self, run_ids: list[str], shown: list[str], split: str, metrics: list[str]) -> pd.DataFrame:
        """Return run_id, shown, condition, metric, epoch, value of the penultimate layer, around the condition's own means.

        `shown` names conditions by role, or by slug if they are extra ones.
        """
        return self.over_epochs(run_ids, shown, split, dict.fromkeys(metrics, "own"))

    def against_clean(
        self, run_ids: list[str], shown: list[str], split: str, metrics: list[str], means_split: str | None = None
    ) -> pd.DataFrame:
        """Return the same as `curves` for metrics against the clean means of the same split, or of train."""
        means = "train clean" if means_split == Split.TRAIN else "clean"
        return self.over_epochs(run_ids, shown, split, dict.fromkeys(metrics, means))

    def class_metrics(self, epochs: dict[str, int], split: str) -> pd.DataFrame:
        """Return run_id, shown, condition, means_condition, class, metric, value of one epoch of each run (run_id -> epoch)."""
        return self._ask(
            f"""WITH mine AS MATERIALIZED (
                   SELECT * FROM class_metric WHERE list_contains($runs, run_id) AND epoch BETWEEN $first AND $last
                ), chosen AS (SELECT unnest($runs) AS run_id, unnest($epochs) AS epoch)
                SELECT m.run_id, {SHOWN} AS shown, m.condition, m.means_condition, m.class, m.metric, m.value
                FROM mine m
                JOIN chosen ON chosen.run_id = m.run_id AND chosen.epoch = m.epoch
                JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                WHERE m.split = $split AND m.layer = '{FEATURES_LAYER}' ORDER BY ALL""",
            runs=list(epochs),
            epochs=list(epochs.values()),
            first=min(epochs.values(), default=0),
            last=max(epochs.values(), default=0),
            split=split,
        )

    def class_means(self, run_id: str, epoch: int, split: str, condition: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes present (C',) and their means (C', d), not centred."""
        return _vectors(
            self._ask(
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
        return self._ask(
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

    def classifier(self, run_id: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the classes (C,) and the classifier's rows (C, d)."""
        return _vectors(
            self._ask(
                "SELECT class, vector FROM classifier WHERE run_id = ? AND epoch = ? ORDER BY class", run_id, epoch
            )
        )

    def leaps(self, run_id: str, epoch: int, split: str, condition: str) -> pd.DataFrame:
        """Return true_class, predicted_class, count, angle (rad) of an attack."""
        return self._ask(
            """SELECT true_class, predicted_class, count, angle FROM leap
               WHERE run_id = ? AND epoch = ? AND split = ? AND condition = ? ORDER BY ALL""",
            run_id,
            epoch,
            split,
            condition,
        )

    def umap_is_due(self, run_id: str) -> bool:
        """Return whether the run is still training and its planned UMAP is not stored yet."""
        runs = self.runs()
        alive = runs[(runs["run_id"] == run_id) & (runs["state"] == RunState.RUNNING)]
        landed = (self.projected(run_id)["method"] == ProjectionMethod.UMAP).any()
        return not alive.empty and bool(alive["umap"].iloc[0]) and not landed

    def checkpoints(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, epoch, path, sha256. Recorded paths may be untrusted: `network` checks one."""
        found = self._ask("SELECT * FROM checkpoint WHERE list_contains(?, run_id) ORDER BY run_id, epoch", run_ids)
        return found.assign(path=[str(self.path.parent / str(path)) for path in found.get("path", [])])

    def network(self, path: str) -> Path:
        """Return the file of a row of `checkpoints`, which must be an existing plain file in the store's folder or the gallery.

        Raises StoreError for any other path, before it is opened.
        """
        homes = [home.resolve() for home in (self._gallery, self.path.parent) if home is not None]
        home = next((home for home in homes if path.startswith(f"{home}/")), self.path.parent)
        return network_inside(home, path)

    def rows_of(self, run_id: str) -> pd.DataFrame:
        """Return table, rows: the number of rows that the store holds of a run."""
        counts = [
            f"SELECT '{table}' AS \"table\", count(*) AS rows FROM {table} WHERE run_id = $run"
            for table in TABLES_OF_A_RUN
        ]
        return self._ask(" UNION ALL ".join(counts), run=run_id)

    def lab_results(self) -> pd.DataFrame:
        """Return key, saved_at (UTC), title, request (JSON), summary (JSON), bytes of the kept lab results, newest first."""
        return self._ask(
            """SELECT key, saved_at, title, request, summary, octet_length(content) AS bytes
               FROM lab_result ORDER BY saved_at DESC, key"""
        )

    def lab_result(self, key: str) -> KeptResult | None:
        """Return one kept result with its content, or None. It is not cached, since contents are large.

        Raises StoreError if it is larger than any result that this program keeps.
        """
        size = "SELECT max(octet_length(content)) FROM lab_result WHERE key = ?"
        sql = "SELECT title, saved_at, request, content FROM lab_result WHERE key = ?"
        try:
            with self._connection(sql) as connection:
                (held,) = connection.execute(size, [key]).fetchone() or (0,)
                if (held or 0) > MOST_RESULT_BYTES:
                    raise StoreError(
                        f"a kept result has {held:,} bytes; at most {MOST_RESULT_BYTES:,} are read; forget it"
                    )
                found = connection.execute(sql, [key]).fetchone()
        except StoreMissingError:
            return None
        return KeptResult(*found) if found else None

    def costs(self, run_id: str) -> pd.DataFrame:
        """Return one row: the trained epochs, and the total seconds of their attack, step, measurement and store.

        NaN if a run was trained before these were recorded.
        """
        return self._ask(
            """SELECT count(*) AS epochs, sum(attack_seconds) AS attack, sum(train_seconds - attack_seconds) AS step,
                      sum(measure_seconds) AS measurement, sum(store_seconds) AS store
               FROM epoch WHERE run_id = ?""",
            run_id,
        )

    def unused_bytes(self) -> int:
        """Return the unused bytes that deleted rows have left in the store's file; 0 if there is no such file."""
        if not backend_of(self.path).is_one_file:
            return 0
        found = self._ask(
            """SELECT block_size * free_blocks AS free, block_size * used_blocks AS used FROM pragma_database_size()
               WHERE database_name = current_database()"""
        )
        if found.empty or not self.path.is_file():
            return 0
        # Free blocks at the end of the file are counted as free, but the file has been cut already.
        beyond = self.path.stat().st_size - int(found["used"].iloc[0])
        return max(0, min(int(found["free"].iloc[0]), beyond))

    def paces(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, seconds: the average time of an epoch of each run, measurement and store included."""
        return self._ask(
            """SELECT run_id, avg(train_seconds + coalesce(measure_seconds, 0) + coalesce(store_seconds, 0)) AS seconds
               FROM epoch WHERE list_contains(?, run_id) GROUP BY run_id ORDER BY run_id""",
            run_ids,
        )

    def last_values(self, metrics: list[str], split: str = Split.TRAIN) -> pd.DataFrame:
        """Return run_id, epoch, shown, condition, means, metric, value at each run's last measured epoch.

        `means` is own (around the condition's own means) or clean (against the clean means of the same split).
        """
        return self._ask(
            f"""SELECT m.run_id, m.epoch, {SHOWN} AS shown, m.condition,
                      CASE WHEN m.means_condition = m.condition THEN 'own' ELSE 'clean' END AS means, m.metric, m.value
               FROM metric m JOIN run_condition rc USING (run_id, condition)
               WHERE m.split = ? AND m.means_split = m.split AND list_contains(?, m.metric) AND m.layer = ?
                 AND m.means_condition IN (m.condition, ?)
                 AND m.epoch = (SELECT max(epoch) FROM metric last WHERE last.run_id = m.run_id)
               ORDER BY ALL""",
            split,
            metrics,
            FEATURES_LAYER,
            CLEAN.slug,
        )


def _vectors(found: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes (C',) and their vectors (C', d). Raises StoreError if they are invalid or too many."""
    if found.empty:
        return np.zeros(0, dtype=int), np.zeros((0, 0))
    classes = found["class"].to_numpy()
    width = max(0 if vector is None or vector is pd.NA else len(vector) for vector in found["vector"])
    if len(classes) > MOST_CLASSES or len(classes) * width > MOST_VECTOR_NUMBERS:
        raise StoreError(
            f"{len(classes):,} class vectors of {width:,} numbers are stored for one epoch; at most "
            f"{MOST_CLASSES:,} vectors and {MOST_VECTOR_NUMBERS:,} numbers are read"
        )
    if found["class"].isna().any() or (classes < 0).any() or found["class"].duplicated().any():
        raise StoreError("the class vectors of an epoch make no sense: they name a class twice, or none")
    return classes, as_matrix(found["vector"])
