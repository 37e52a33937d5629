"""User changes to stored runs: tags and notes, archiving, and deletion."""

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from rnc.store.clock import utc_now
from rnc.store.connection_per_transaction import writing
from rnc.store.errors import StoreError
from rnc.store.file_locations import is_plain_folder, networks_folder, remove_path
from rnc.store.locks import run_lock
from rnc.store.networks_shared_by_stores import users_of_networks
from rnc.vocabulary import STALE_SECONDS, RunState

_RUN_TABLES = (
    "run",
    "run_condition",
    "layer",
)
_EPOCH_TABLES = (
    "epoch",
    "metric",
    "class_metric",
    "class_mean",
    "classifier",
    "feature",
    "attack_path",
    "projection",
    "leap",
    "checkpoint",
)
TABLES_OF_A_RUN = (*_RUN_TABLES, *_EPOCH_TABLES, "run_mark")

LONGEST_TAG, MOST_TAGS, LONGEST_NOTE = 40, 20, 10_000
"""Maximum characters of a tag, tags of a run, and characters of a note."""


class RunEditor:
    """Changes to the runs of one store file. Each method is one transaction."""

    def __init__(self, path: Path) -> None:
        """Set the store's path; nothing is opened until something is written."""
        self.path = path

    def annotate(self, run_id: str, tags: list[str], note: str) -> None:
        """Replace a run's tags and note; their content is treated as plain text.

        Raises ValueError if they are too long, StoreError if the store has no such run.
        """
        checked = _tags(tags)
        if len(note) > LONGEST_NOTE:
            raise ValueError(f"a note has at most {LONGEST_NOTE:,} characters, this one has {len(note):,}")
        with writing(self.path) as connection:
            _set_annotations(connection, self.path, run_id, tags=checked, note=note.strip())

    def archive(self, run_ids: list[str], archived: bool = True) -> None:
        """Archive runs, or bring them back. Raises StoreError, and changes none, if the store does not have all of them."""
        with writing(self.path) as connection:
            for run_id in run_ids:
                _set_annotations(connection, self.path, run_id, archived_at=utc_now() if archived else None)

    def delete_run(self, run_id: str) -> None:
        """Delete a run from the store, then its networks: a crash in between leaves only files that no store names.

        The networks stay if another store in the folder names them, too, or cannot be queried. Raises StoreError, and changes
        nothing, if the run is being trained or the store does not have it.
        """
        folder = networks_folder(self.path, run_id)
        with run_lock(self.path, run_id):
            with writing(self.path) as connection:
                _refuse_if_training(connection, self.path, run_id)
                delete_rows(connection, run_id, -1)
                connection.execute("DELETE FROM run_mark WHERE run_id = ?", [run_id])
            naming, unknown = users_of_networks(self.path, run_id)
            if unknown and not naming:
                raise StoreError(
                    f"{run_id} is out of the store, but {folder} was left, since {unknown[0].name} beside it, which could not "
                    "be read, may need these networks, too; remove them by hand if it does not"
                )
            if naming:
                return
            try:
                _remove(folder)
            except OSError as error:
                raise StoreError(
                    f"{run_id} is out of the store, but {folder} could not be removed ({error}); remove it by hand"
                ) from error


def networks_of(store: Path, run_id: str) -> tuple[int, int]:
    """Return the number of a run's files on the disk and their total bytes; links are not followed."""
    sizes = []
    if not (folder := networks_folder(store, run_id)).is_symlink():
        for place, _folders, names in os.walk(folder):
            statuses = [Path(place, name).lstat() for name in names]
            sizes += [file.st_size for file in statuses if stat.S_ISREG(file.st_mode)]
    return len(sizes), sum(sizes)


def run_state(connection: duckdb.DuckDBPyConnection, run_id: str) -> str | None:
    """Return the stored state of a run, or None."""
    row = connection.execute("SELECT state FROM run WHERE run_id = ?", [run_id]).fetchone()
    return row[0] if row else None


def delete_rows(connection: duckdb.DuckDBPyConnection, run_id: str, after: int) -> None:
    """Delete a run's rows, except those of epochs up to `after` and those that hold the user's tags and notes."""
    for table in _RUN_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
    for table in _EPOCH_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE run_id = ? AND epoch > ?", [run_id, after])


def _tags(given: list[str]) -> list[str]:
    """Return sorted, distinct tags without extra blanks. Raises ValueError if one is too long or there are too many."""
    tags = sorted({" ".join(tag.split()) for tag in given} - {""})
    if long := [tag for tag in tags if len(tag) > LONGEST_TAG]:
        raise ValueError(
            f"a tag has at most {LONGEST_TAG} characters; {long[0][:LONGEST_TAG]}… is longer, make it a note"
        )
    if len(tags) > MOST_TAGS:
        raise ValueError(f"a run has at most {MOST_TAGS} tags")
    return tags


def _set_annotations(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str, **changes: Any) -> None:
    if run_state(connection, run_id) is None:
        raise StoreError(f"no run {run_id} in {store}; it may have been deleted meanwhile, or is of the gallery")
    if not connection.execute("SELECT 1 FROM run_mark WHERE run_id = ?", [run_id]).fetchone():
        connection.execute("INSERT INTO run_mark (run_id, tags, note) VALUES (?, [], '')", [run_id])
    for column, value in changes.items():
        connection.execute(f"UPDATE run_mark SET {column} = ? WHERE run_id = ?", [value, run_id])


def _refuse_if_training(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str) -> None:
    """Raise StoreError for a run that is being trained or does not exist.

    The lock shows trainers on this machine; the heartbeat also shows those on other machines with the same disk.
    """
    row = connection.execute("SELECT state, heartbeat_at FROM run WHERE run_id = ?", [run_id]).fetchone()
    if row is None:
        raise StoreError(f"no run {run_id} in {store}; it may have been deleted meanwhile, or is of the gallery")
    state, beat = row
    if state == RunState.RUNNING and beat is not None and beat > utc_now() - timedelta(seconds=STALE_SECONDS):
        raise StoreError(
            f"run {run_id} is being trained: its last sign of life is less than {STALE_SECONDS:.0f} s old; stop it first"
        )


def _remove(folder: Path) -> None:
    """Rename the folder before removing it, so that a new training of the run finds either all of it or nothing."""
    if is_plain_folder(folder):
        renamed = folder.with_name(f".{folder.name}.deleted")
        remove_path(renamed)
        folder = folder.rename(renamed)
    remove_path(folder)
