"""Queries over measured values: over epochs, per class, along the network, and as evidence for claims.

Tested by tests/rnc/store/test_reader_judged.py.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rnc.conditions import CLEAN
from rnc.store.cached_queries import CachedQueries
from rnc.store.errors import StoreError
from rnc.store.queries.epochs_not_after import all_epochs_up_to_cursor
from rnc.store.queries.shown_condition_name import SHOWN
from rnc.vocabulary import (
    FEATURES_LAYER,
    MOST_EPOCHS,
    PIXELS_LAYER,
    TERMINAL_ACCURACY,
    ConditionKind,
    LabelRule,
    Metric,
    Milestone,
    Role,
    Split,
    TargetRule,
)

MINE = "mine AS MATERIALIZED (SELECT * FROM metric WHERE list_contains($runs, run_id))"
"""The metric rows of some runs, for a WITH clause.

It is materialised, because otherwise DuckDB reads every queried column of every run: run ids begin alike, and its
statistics of texts keep only eight bytes. Without it a query over 20 million rows takes three times as long.
"""


def log_spaced_subset(epochs: list[int], between: int) -> list[int]:
    """Return epoch 0, the last epoch, and at most `between` epochs between them, evenly spaced on a logarithmic scale."""
    steps = np.geomspace(1, epochs[-1] + 1, between + 2)[:-1] - 1
    nearest = np.abs(np.subtract.outer(steps, epochs)).argmin(axis=1)
    return sorted({0, epochs[-1], *(epochs[i] for i in nearest[1:])})


class MetricQueries:
    """Queries over measured values: over epochs, per class, along the network, and as evidence for claims."""

    def __init__(self, cached: CachedQueries) -> None:
        """Set the queries' way to the store."""
        self._cached = cached

    def value_counts_by_run(self) -> pd.DataFrame:
        """Return run_id, metrics: the runs with measurements, and the number of measured values."""
        return self._cached.query("SELECT run_id, count(*) AS metrics FROM metric GROUP BY run_id ORDER BY ALL")

    def measured_epochs(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, epoch: the measured epochs."""
        epochs = self._cached.query(
            "SELECT DISTINCT run_id, epoch FROM metric WHERE list_contains(?, run_id) ORDER BY ALL", run_ids
        )
        if len(epochs) > MOST_EPOCHS and (most := epochs["run_id"].value_counts()).iloc[0] > MOST_EPOCHS:
            raise StoreError(
                f"run {most.index[0]} has {most.iloc[0]:,} measured epochs; at most {MOST_EPOCHS:,} are read; take the run out "
                "of the store"
            )
        return epochs

    def over_epochs(
        self, run_ids: list[str], shown: list[str], split: str, wanted: Mapping[Metric, str] | Mapping[str, str]
    ) -> pd.DataFrame:
        """Return run_id, shown, condition, metric, epoch, value of the penultimate layer, in one pass over the store.

        `wanted` maps each metric to the class means that it is measured around: own, clean (those of the same split) or train
        clean. `shown` names conditions by role, or by slug if they are extra ones.
        """
        return self._cached.query(
            f"""WITH {MINE}, wanted AS (SELECT unnest($metrics) AS metric, unnest($means) AS means)
                SELECT m.run_id, {SHOWN} AS shown, m.condition, m.metric, m.epoch, m.value
                FROM mine m
                JOIN wanted ON wanted.metric = m.metric
                JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                WHERE list_contains($shown, shown) AND m.split = $split AND m.layer = '{FEATURES_LAYER}'
                  AND m.means_split = CASE wanted.means WHEN 'train clean' THEN '{Split.TRAIN}' ELSE m.split END
                  AND m.means_condition = CASE wanted.means WHEN 'own' THEN m.condition ELSE '{CLEAN.slug}' END
                ORDER BY ALL""",
            runs=run_ids,
            metrics=[str(metric) for metric in wanted],
            means=list(wanted.values()),
            shown=shown,
            split=split,
        )

    def curves(self, run_ids: list[str], shown: list[str], split: str, metrics: list[str]) -> pd.DataFrame:
        """Return run_id, shown, condition, metric, epoch, value of the penultimate layer, around the condition's own means.

        `shown` names conditions by role, or by slug if they are extra ones.
        """
        return self.over_epochs(run_ids, shown, split, dict.fromkeys(metrics, "own"))

    def against_clean_means(
        self, run_ids: list[str], shown: list[str], split: str, metrics: list[str], means_split: str | None = None
    ) -> pd.DataFrame:
        """Return the same as `curves` for metrics against the clean means of the same split, or of train."""
        means = "train clean" if means_split == Split.TRAIN else "clean"
        return self.over_epochs(run_ids, shown, split, dict.fromkeys(metrics, means))

    def last_values(self, metrics: list[str], split: str = Split.TRAIN) -> pd.DataFrame:
        """Return run_id, epoch, shown, condition, means, metric, value at each run's last measured epoch.

        `means` is own (around the condition's own means) or clean (against the clean means of the same split).
        """
        return self._cached.query(
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

    def class_metrics(self, epochs: dict[str, int], split: str) -> pd.DataFrame:
        """Return run_id, shown, condition, means_condition, class, metric, value of one epoch of each run (run_id -> epoch)."""
        return self._cached.query(
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

    def leaps(self, run_id: str, epoch: int, split: str, condition: str) -> pd.DataFrame:
        """Return true_class, predicted_class, count, angle (rad) of an attack."""
        return self._cached.query(
            """SELECT true_class, predicted_class, count, angle FROM leap
               WHERE run_id = ? AND epoch = ? AND split = ? AND condition = ? ORDER BY ALL""",
            run_id,
            epoch,
            split,
            condition,
        )

    def layers(self, run_ids: list[str], shown: list[str], split: str, cursor: int) -> pd.DataFrame:
        """Return run_id, epoch, shown, layer, depth, metric, value of every stage.

        Each run is shown at its last epoch up to the cursor that has layers. nc1 is around the condition's own means,
        ncc_accuracy uses the clean means of train.
        """
        return self._cached.query(
            f"""WITH {MINE}, last AS (
                   SELECT run_id, max(epoch) AS epoch FROM mine
                   WHERE epoch <= $cursor AND layer = '{PIXELS_LAYER}' GROUP BY run_id
                )
                SELECT m.run_id, m.epoch, {SHOWN} AS shown, m.layer, layer.depth, m.metric, m.value
                FROM mine m
                JOIN last ON last.run_id = m.run_id AND last.epoch = m.epoch
                JOIN layer ON layer.run_id = m.run_id AND layer.layer = m.layer
                JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                WHERE m.split = $split AND list_contains($shown, shown)
                  AND (m.metric = '{Metric.NC1}' AND m.means_split = m.split AND m.means_condition = m.condition
                    OR m.metric = '{Metric.NCC_ACCURACY}' AND m.means_split = '{Split.TRAIN}'
                       AND m.means_condition = '{CLEAN.slug}')
                ORDER BY ALL""",
            runs=run_ids,
            shown=shown,
            split=split,
            cursor=cursor,
        )

    def evidence(self, run_ids: list[str], metrics: list[str], cursor: int, *, between: int = 0) -> pd.DataFrame:
        """Return the evidence for claims: run_id, epoch, split, shown, share, means, layer, depth, metric, value.

        It covers each run at initialisation, at its last measured epoch up to the cursor, and at up to `between` epochs
        between
        them, most densely early in training. `means` is own, clean (the clean means of the same split) or train clean; `share`
        is
        epsilon over the run's epsilon for an untargeted PGD in the run's norm, without options.
        """
        measured = self.measured_epochs(run_ids)
        until = all_epochs_up_to_cursor(measured, cursor)
        wanted = [(run_id, epoch) for run_id, epochs in until.items() for epoch in log_spaced_subset(epochs, between)]
        return self._cached.query(
            f"""WITH mine AS MATERIALIZED (
                   SELECT * FROM metric WHERE list_contains($epochs, epoch) AND list_contains($runs, run_id)
                ), wanted AS (
                   SELECT unnest($wanted_runs) AS run_id, unnest($wanted_epochs) AS epoch
                ), attack AS (
                   SELECT rc.run_id, c.norm, c.epsilon
                   FROM run_condition rc JOIN condition c USING (condition) WHERE rc.role = '{Role.PERTURBED}'
                )
                SELECT m.run_id, m.epoch, m.split, {SHOWN} AS shown,
                       CASE WHEN c.kind = '{ConditionKind.PGD}' AND c.target_rule = '{TargetRule.UNTARGETED}'
                             AND c.label_rule = '{LabelRule.TRUE}' AND c.norm = attack.norm
                             AND coalesce(c.objective, c.schedule) IS NULL AND coalesce(c.momentum, c.restarts) IS NULL
                            THEN c.epsilon / attack.epsilon END AS share,
                       CASE WHEN m.means_condition = m.condition AND m.means_split = m.split THEN 'own'
                            WHEN m.means_split = m.split THEN 'clean' ELSE 'train clean' END AS means,
                       m.layer, layer.depth, m.metric, m.value
                FROM mine m
                JOIN wanted ON wanted.run_id = m.run_id AND wanted.epoch = m.epoch
                JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                JOIN condition c ON c.condition = m.condition
                LEFT JOIN attack ON attack.run_id = m.run_id
                LEFT JOIN layer ON layer.run_id = m.run_id AND layer.layer = m.layer
                WHERE list_contains($metrics, m.metric) AND m.means_condition IN (m.condition, '{CLEAN.slug}')
                ORDER BY ALL""",
            runs=run_ids,
            epochs=sorted({epoch for _run_id, epoch in wanted}),
            wanted_runs=[run_id for run_id, _epoch in wanted],
            wanted_epochs=[epoch for _run_id, epoch in wanted],
            metrics=metrics,
        )

    def milestones(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, milestone, epoch: the last epoch before a learning rate drop (drop), and the start of TPT (terminal).

        The terminal phase of training starts at the first measured epoch whose train accuracy is at least TERMINAL_ACCURACY on
        all inputs of the objective: clean images, for AT perturbed ones, for TRADES both. For external networks, clean images are
        used, since their other training inputs are unknown.
        """
        return self._cached.query(
            f"""WITH {MINE}, rate AS (
                   SELECT run_id, epoch, learning_rate < lag(learning_rate) OVER (PARTITION BY run_id ORDER BY epoch) AS lower
                   FROM epoch WHERE list_contains($runs, run_id)
                ), fitted AS (
                   SELECT m.run_id, m.epoch, min(m.value) AS least, count(*) AS inputs,
                          CASE WHEN starts_with(any_value(r.config ->> '$.objective'), 'trades') THEN 2 ELSE 1 END AS wanted
                   FROM mine m
                   JOIN run r ON r.run_id = m.run_id
                   JOIN run_condition rc ON rc.run_id = m.run_id AND rc.condition = m.condition
                   WHERE m.metric = '{Metric.ACCURACY}' AND m.split = '{Split.TRAIN}'
                     AND m.layer = '{FEATURES_LAYER}' AND m.means_split = m.split AND m.means_condition = m.condition
                     AND m.epoch > 0
                     AND (rc.role = '{Role.AS_TRAINED}'
                       OR rc.role = '{Role.CLEAN}' AND NOT starts_with(r.config ->> '$.objective', 'at'))
                   GROUP BY m.run_id, m.epoch
                )
                SELECT run_id, '{Milestone.DROP}' AS milestone, epoch - 1 AS epoch FROM rate WHERE lower
                UNION ALL
                SELECT run_id, '{Milestone.TERMINAL}', min(epoch) FROM fitted
                WHERE least >= {TERMINAL_ACCURACY} AND inputs = wanted GROUP BY run_id
                ORDER BY ALL""",
            runs=run_ids,
        )
