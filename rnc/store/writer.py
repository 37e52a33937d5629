"""The only module that writes to the store. Each method is one transaction, and checks the keys that the SQL does not check.

The time that writing an epoch took, including its commit, is stored by a later transaction: the next epoch's or the run's end.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import duckdb

from rnc.conditions import Condition
from rnc.store.clock import utc_now
from rnc.store.connection_per_transaction import writing
from rnc.store.errors import RunExistsError, StoreError
from rnc.store.row_buffer import Rows
from rnc.store.run_editor import RunEditor, delete_rows, run_state
from rnc.vocabulary import Role, RunState

_OPTIONS = ("objective", "momentum", "restarts", "schedule", "target_class")

MOST_CONTENT = 64 * 2**20
"""Maximum bytes of a kept result of the lab."""


@dataclass(frozen=True)
class CompleteRun:
    """All data that the store holds of a run, except networks; the fields are the arguments of the writer's methods."""

    run_id: str
    config: dict
    classes: list[str]
    provenance: dict[str, Any]
    conditions: list[tuple[Role, Condition]]
    layers: list[tuple[str, int]]
    rows: Rows


class StoreWriter(RunEditor):
    """Writer of runs to one store file."""

    def __init__(self, path: Path) -> None:
        """Set the store's path; nothing is opened until something is written."""
        super().__init__(path)
        self._unwritten_time: tuple[int, float] = (0, 0.0)  # the last written epoch, and its writing time so far

    def prepare(self) -> None:
        """Create the store if it does not exist. Raises StoreError, and changes nothing, if the file is not a store."""
        with writing(self.path):
            pass

    def begin_run(
        self,
        run_id: str,
        config: dict,
        classes: list[str],
        provenance: dict[str, Any],
        conditions: list[tuple[Role, Condition]],
        *,
        overwrite: bool = False,
        resume_after: int | None = None,
    ) -> None:
        """Add a run with its class names in label order, its conditions and its provenance.

        An unfinished run with the same key is replaced, except for the epochs up to `resume_after`, after which it resumes.

        Raises RunExistsError if a finished run is stored and `overwrite` is not set.
        """
        with writing(self.path) as connection:
            state = run_state(connection, run_id)
            if state == RunState.FINISHED and not overwrite:
                raise RunExistsError(
                    f"run {run_id} is already in {self.path}, finished; change the seed or another setting for a new "
                    "run, or give --overwrite to train it again"
                )
            if resume_after is not None and state is None:
                raise StoreError(
                    f"{self.path} knows nothing of {run_id}, whose training is to go on after epoch {resume_after}; "
                    "name the store that it began in, or give --overwrite to start again from the beginning"
                )
            if state is not None:  # skipped otherwise, since it searches all rows of the store
                delete_rows(connection, run_id, -1 if resume_after is None else resume_after)
            rows, now = Rows(), utc_now()
            begun = {
                "state": RunState.RUNNING,
                "epochs_done": resume_after or 0,
                "started_at": now,
                "heartbeat_at": now,
            }
            _add_run(rows, run_id, config, classes, provenance | begun)
            _add_conditions(rows, run_id, conditions, _known_conditions(connection))
            _insert(connection, rows)

    def add_complete_runs(self, runs: list[CompleteRun]) -> None:
        """Add runs that are already finished, in one transaction; a run that is unfinished in the store is replaced.

        Raises RunExistsError if the store has a finished run with the same key.
        """
        # One thread: rows inserted by several threads are packed again at the end, which doubles the time.
        with writing(self.path, threads=1) as connection:
            rows, known, now = Rows(), _known_conditions(connection), utc_now()
            for run in runs:
                state = run_state(connection, run.run_id)
                if state == RunState.FINISHED:
                    raise RunExistsError(f"run {run.run_id} is already in {self.path}, finished")
                if state is not None:
                    delete_rows(connection, run.run_id, -1)
                times = dict.fromkeys(("started_at", "heartbeat_at", "finished_at"), now)
                ended = {"state": RunState.FINISHED, "epochs_done": run.config["epochs"], "wall_seconds": 0.0}
                _add_run(rows, run.run_id, run.config, run.classes, run.provenance | ended | times)
                _add_conditions(rows, run.run_id, run.conditions, known)
                _add_layers(rows, run.run_id, run.layers)
                rows.extend(run.rows)
            _insert(connection, rows)

    def write_layers(self, run_id: str, layers: list[tuple[str, int]]) -> None:
        """Add the stages (name, size) of a run's network, from the pixels on."""
        rows = Rows()
        _add_layers(rows, run_id, layers)
        with writing(self.path) as connection:
            connection.execute("DELETE FROM layer WHERE run_id = ?", [run_id])
            _insert(connection, rows)

    def write_epoch(self, run_id: str, epoch: int, rows: Rows) -> None:
        """Write all rows of a measured epoch, or none. Raises StoreError if the epoch is already stored."""
        with self._timed(epoch), writing(self.path) as connection:
            measured = connection.execute(
                "SELECT 1 FROM metric WHERE run_id = ? AND epoch = ? LIMIT 1", [run_id, epoch]
            )
            if measured.fetchone():
                raise StoreError(f"epoch {epoch} of {run_id} is already in {self.path}")
            _insert(connection, rows)
            self._write_times(connection, run_id)
            self._beat(connection, run_id, epoch)

    def replace_projections(self, run_id: str, method: str, rows: Rows) -> None:
        """Replace a run's projection of one method, so that one basis serves all epochs."""
        with self._timed(), writing(self.path) as connection:
            connection.execute("DELETE FROM projection WHERE run_id = ? AND method = ?", [run_id, method])
            _insert(connection, rows)

    def replace_attack_paths(self, run_id: str, epochs: list[int], rows: Rows) -> None:
        """Replace a run's attack paths at some epochs."""
        with self._timed(), writing(self.path) as connection:
            connection.execute("DELETE FROM attack_path WHERE run_id = ? AND list_contains(?, epoch)", [run_id, epochs])
            _insert(connection, rows)

    def heartbeat(self, run_id: str, epochs_done: int) -> None:
        """Record that the trainer is alive, and the number of epochs done."""
        with writing(self.path) as connection:
            self._beat(connection, run_id, epochs_done)

    def end_run(self, run_id: str, state: RunState, wall_seconds: float, error: str | None = None) -> None:
        """Close a run with its final state."""
        with writing(self.path) as connection:
            self._write_times(connection, run_id)
            connection.execute(
                "UPDATE run SET state = ?, finished_at = ?, heartbeat_at = ?, wall_seconds = ?, error = ? WHERE run_id = ?",
                [str(state), utc_now(), utc_now(), wall_seconds, error, run_id],
            )

    def mark_interrupted(self, run_id: str) -> None:
        """Mark a run that is stored as running as interrupted, as of its last heartbeat, because its trainer is gone."""
        with writing(self.path) as connection:
            connection.execute(
                "UPDATE run SET state = ?, finished_at = heartbeat_at, error = ? WHERE run_id = ? AND state = ?",
                [str(RunState.INTERRUPTED), "its trainer ended without a word", run_id, str(RunState.RUNNING)],
            )

    def save_lab_result(self, key: str, title: str, request: str, summary: str, content: bytes) -> bool:
        """Keep a result of the lab (request and summary are JSON); return whether it is new.

        A result that is already kept only gets the new title: its key shows that the content is the same. Raises ValueError
        for
        a content of more than MOST_CONTENT bytes.
        """
        if len(content) > MOST_CONTENT:
            raise ValueError(
                f"a result of {len(content) >> 20} MiB is more than the store keeps ({MOST_CONTENT >> 20} MiB); "
                "ask for fewer watched images"
            )
        with writing(self.path) as connection:
            if connection.execute("SELECT 1 FROM lab_result WHERE key = ?", [key]).fetchone():
                connection.execute("UPDATE lab_result SET title = ? WHERE key = ?", [title, key])
                return False
            connection.execute(
                "INSERT INTO lab_result (key, saved_at, title, request, summary, content) VALUES (?, ?, ?, ?, ?, ?)",
                [key, utc_now(), title, request, summary, content],
            )
            return True

    def delete_lab_result(self, key: str) -> None:
        """Delete a kept result, if it exists."""
        with writing(self.path) as connection:
            connection.execute("DELETE FROM lab_result WHERE key = ?", [key])

    @contextmanager
    def _timed(self, epoch: int | None = None) -> Iterator[None]:
        """Add the block's seconds to the writing time of an epoch; by default to the last written epoch."""
        begin = time.monotonic()
        yield
        last, seconds = self._unwritten_time if epoch is None else (epoch, 0.0)
        self._unwritten_time = last, seconds + time.monotonic() - begin

    def _write_times(self, connection: duckdb.DuckDBPyConnection, run_id: str) -> None:
        epoch, seconds = self._unwritten_time
        connection.execute(
            "UPDATE epoch SET store_seconds = ? WHERE run_id = ? AND epoch = ?", [seconds, run_id, epoch]
        )

    @staticmethod
    def _beat(connection: duckdb.DuckDBPyConnection, run_id: str, epochs_done: int) -> None:
        connection.execute(
            "UPDATE run SET heartbeat_at = ?, epochs_done = ? WHERE run_id = ?", [utc_now(), epochs_done, run_id]
        )


def _known_conditions(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {slug for (slug,) in connection.execute("SELECT condition FROM condition").fetchall()}


def _add_run(rows: Rows, run_id: str, config: dict, classes: list[str], rest: dict[str, Any]) -> None:
    texts = {name: json.dumps(rest[name]) for name in ("versions", "data")}
    rows.add("run", run_id=run_id, config=json.dumps(config), classes=[classes], **rest | texts)


def _add_conditions(rows: Rows, run_id: str, conditions: list[tuple[Role, Condition]], known: set[str]) -> None:
    """Add the roles of conditions in a run, and the conditions missing in `known`, which is updated."""
    for role, condition in conditions:
        rows.add("run_condition", run_id=run_id, condition=condition.slug, role=role)
        if condition.slug not in known:
            known.add(condition.slug)
            rows.add("condition", **_condition_row(condition))


def _add_layers(rows: Rows, run_id: str, layers: list[tuple[str, int]]) -> None:
    names, sizes = [name for name, _size in layers], [size for _name, size in layers]
    rows.add("layer", run_id=run_id, layer=names, depth=range(len(names)), size=sizes)


def _insert(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    for table, content in rows.tables().items():
        connection.register("incoming", content)
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")
        connection.unregister("incoming")


def _condition_row(condition: Condition) -> dict[str, Any]:
    """Return the row of a condition; options with their default value are NULL."""
    usual = {field.name: field.default for field in fields(Condition)}
    options = {name: getattr(condition, name) for name in _OPTIONS}
    return {
        "condition": condition.slug,
        "kind": condition.kind,
        "norm": condition.norm,
        "epsilon": condition.epsilon,
        "step_size": condition.step_size,
        "steps": condition.steps,
        "target_rule": condition.target_rule,
        "label_rule": condition.label_rule,
        **{name: None if value == usual[name] else value for name, value in options.items()},
    }
