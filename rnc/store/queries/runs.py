"""Queries for runs: their settings and state, conditions, networks, row counts and times.

Tested by tests/rnc/store/test_reader.py.
"""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from rnc.store.cached_queries import CachedQueries
from rnc.store.checked_run_configs import DESCRIBED, descriptions
from rnc.store.clock import utc_now
from rnc.store.file_locations import network_inside
from rnc.store.queries.shown_condition_name import SHOWN
from rnc.store.run_editor import TABLES_OF_A_RUN
from rnc.vocabulary import STALE_SECONDS, RunState


class RunQueries:
    """Queries for runs: their settings and state, conditions, networks, row counts and times."""

    def __init__(self, cached: CachedQueries) -> None:
        """Set the queries' way to the store."""
        self._cached = cached
        self._described: tuple[list, pd.DataFrame, int] = ([], pd.DataFrame(), 0)
        self._parsed: tuple[pd.DataFrame | None, pd.DataFrame] = (None, pd.DataFrame())

    def all(self) -> pd.DataFrame:
        """Return one row per run, newest first: the columns of table `run`, its config's fields, and the current state.

        `tags` (a list), `note` and `archived` are the user's annotations (`rnc/store/run_editor.py`). `published` marks
        runs of
        the gallery, `synthetic` runs with made-up numbers, and `images_from` is the name by which `rnc.datasets` finds the
        images.
        """
        runs = self._cached.query(
            """SELECT r.*, coalesce(m.tags, []) AS tags, coalesce(m.note, '') AS note, m.archived_at IS NOT NULL AS archived
               FROM run r LEFT JOIN run_mark m ON m.run_id = r.run_id ORDER BY r.started_at DESC, r.run_id"""
        )
        if runs.empty:
            return runs
        rows, parsed = self._parsed
        if rows is not runs:  # parsed once, since pages query several times and there may be hundreds of configs
            parsed = pd.concat([runs.assign(tags=runs["tags"].map(list)), self._descriptions(runs)], axis=1)
            self._parsed = runs, parsed
        oldest_alive = utc_now() - timedelta(seconds=STALE_SECONDS)
        stale = (parsed["state"] == RunState.RUNNING) & (parsed["heartbeat_at"] < oldest_alive)
        return parsed.assign(state=parsed["state"].mask(stale, str(RunState.INTERRUPTED))) if stale.any() else parsed

    def configs_version(self) -> int:
        """Return a number that changes with the runs of the store and their configs, but not with what is measured of them."""
        return 0 if self.all().empty else self._described[2]

    def _descriptions(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Return what the configs of rows of table `run` say, checked once as long as there are no others."""
        rows = [list(map(_comparable, runs[name])) for name in DESCRIBED if name in runs]
        known, described, version = self._described
        if rows != known:
            described = descriptions(runs)
            self._described = rows, described, version + 1
        return described

    def conditions(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, role, shown and the columns of table `condition`, for each condition of the runs."""
        return self._cached.query(
            f"""SELECT rc.run_id, rc.role, {SHOWN} AS shown, c.*
               FROM run_condition rc JOIN condition c USING (condition)
               WHERE list_contains(?, rc.run_id) ORDER BY rc.run_id, rc.role, c.condition""",
            run_ids,
        )

    def checkpoints(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, epoch, path, sha256. Recorded paths may be untrusted: `network` checks one."""
        networks = self._cached.query(
            "SELECT * FROM checkpoint WHERE list_contains(?, run_id) ORDER BY run_id, epoch", run_ids
        )
        return networks.assign(path=[str(self._cached.path.parent / str(path)) for path in networks.get("path", [])])

    def network(self, path: str) -> Path:
        """Return the file of a row of `checkpoints`, which must be an existing plain file in the store's folder or the gallery.

        Raises StoreError for any other path, before it is opened.
        """
        homes = [home.resolve() for home in (self._cached.gallery, self._cached.path.parent) if home is not None]
        home = next((home for home in homes if path.startswith(f"{home}/")), self._cached.path.parent)
        return network_inside(home, path)

    def row_counts(self, run_id: str) -> pd.DataFrame:
        """Return table, rows: the number of rows that the store holds of a run."""
        counts = [
            f"SELECT '{table}' AS \"table\", count(*) AS rows FROM {table} WHERE run_id = $run"
            for table in TABLES_OF_A_RUN
        ]
        return self._cached.query(" UNION ALL ".join(counts), run=run_id)

    def total_costs(self, run_id: str) -> pd.DataFrame:
        """Return one row: the trained epochs, and the total seconds of their attack, step, measurement and store.

        NaN if a run was trained before these were recorded.
        """
        return self._cached.query(
            """SELECT count(*) AS epochs, sum(attack_seconds) AS attack, sum(train_seconds - attack_seconds) AS step,
                      sum(measure_seconds) AS measurement, sum(store_seconds) AS store
               FROM epoch WHERE run_id = ?""",
            run_id,
        )

    def seconds_per_epoch(self, run_ids: list[str]) -> pd.DataFrame:
        """Return run_id, seconds: the average time of an epoch of each run, measurement and store included."""
        return self._cached.query(
            """SELECT run_id, avg(train_seconds + coalesce(measure_seconds, 0) + coalesce(store_seconds, 0)) AS seconds
               FROM epoch WHERE list_contains(?, run_id) GROUP BY run_id ORDER BY run_id""",
            run_ids,
        )


def _comparable(value: object) -> object:
    return tuple(value) if isinstance(value, list | np.ndarray) else str(value)
