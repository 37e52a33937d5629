"""Checks of the store: who holds it, whether all of it is readable, and whether its runs and networks are as recorded.

Tested by tests/rnc/doctor/test_doctor.py.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from rnc.doctor.finding import Finding, Level
from rnc.store.connection_per_transaction import holder, reading
from rnc.store.damaged_tables import damaged_tables
from rnc.store.errors import StoreError, StoreMissingError, StoreOlderError
from rnc.store.file_locations import is_plain_file, sha256_of
from rnc.store.locks import run_lock
from rnc.store.migrations import SCHEMA_VERSION
from rnc.store.reader import StoreReader
from rnc.store.schema_checks import stored_version
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState

_LITTLE_ROOM = 2**30  # bytes


def examine_store(path: Path) -> Iterator[Finding]:
    """Yield all findings about a store itself; files around it are examined in `leftovers.py`."""
    held_by = holder(path)
    if held_by:
        yield Finding(Level.NOTE, f"store {path} is in use by {held_by}; the following checks wait for it")
    try:
        with reading(path) as connection:  # needed, since a reader treats a missing store as empty
            version = stored_version(connection)
        runs = StoreReader(path).runs.all()
    except StoreOlderError as error:
        yield Finding(Level.TROUBLE, str(error), lambda: _upgrade(path))
        return
    except StoreMissingError as error:
        yield Finding(Level.NOTE, str(error))
        return
    except StoreError as error:
        yield Finding(Level.TROUBLE, f"{error}{_copies(path)}")
        return
    yield Finding(Level.OK, f"store {path}: {len(runs)} runs, schema version {version}{_states(runs)}")
    yield from _room(path)
    damaged = damaged_tables(path)
    for table, reason in damaged.items():
        yield Finding(Level.TROUBLE, f"table {table} of {path} cannot be read completely ({reason}){_copies(path)}")
    if path.with_name(path.name + ".wal").exists() and not held_by:
        text = f"{path.name}.wal has the last commits of a killed writer; nothing is lost, because the next writer adds them"
        yield Finding(Level.NOTE, text, lambda: _apply_log(path))
    yield from _stale(path, runs)
    yield from _networks(path, runs)


def _states(runs: pd.DataFrame) -> str:
    counts = runs["state"].value_counts().to_dict() if len(runs) else {}
    return "".join(f", {count} {state}" for state, count in counts.items())


def _room(path: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE_ROOM:
        yield Finding(Level.NOTE, f"only {free >> 20} MiB are free on the disk of {path}")


def _copies(path: Path) -> str:
    """Return the path of the latest copy from before an upgrade, as the end of a sentence."""
    if not is_plain_file(path):
        return ""
    copies = sorted(path.parent.glob(f"{path.stem}-v*-*{path.suffix}"))
    return f"; a copy from before an upgrade: {copies[-1]}" if copies else ""


def _upgrade(path: Path) -> str:
    StoreWriter(path).prepare()
    return f"upgraded {path} to schema version {SCHEMA_VERSION}{_copies(path)}"


def _apply_log(path: Path) -> str:
    StoreWriter(path).prepare()
    return f"added {path.name}.wal to {path}"


def _stale(path: Path, runs: pd.DataFrame) -> Iterator[Finding]:
    """Yield runs that are stored as running but whose trainer is gone; the reader shows them as interrupted."""
    if runs.empty:
        return
    for run_id in runs[(runs["state"] == RunState.INTERRUPTED) & runs["finished_at"].isna()]["run_id"]:

        def repair(run_id: str = run_id) -> str:
            with run_lock(path, run_id):  # raises if the trainer is alive after all
                StoreWriter(path).mark_interrupted(run_id)
            return f"recorded that {run_id} was interrupted"

        yield Finding(
            Level.TROUBLE,
            f"run {run_id} is stored as running, but its trainer has ended; the same command resumes it",
            repair,
        )


def _networks(path: Path, runs: pd.DataFrame) -> Iterator[Finding]:
    """Yield stored networks whose file is missing or does not have the SHA-256 in the store."""
    reader = StoreReader(path)
    networks = reader.runs.checkpoints(list(runs["run_id"]))
    bad = 0
    for row in networks.to_dict("records"):
        reason = _difference(reader, row["path"], row["sha256"])
        if reason:
            bad += 1
            advice = "restore the file, or train the run again with --overwrite"
            yield Finding(Level.TROUBLE, f"network {row['path']} of {row['run_id']} {reason}; {advice}")
    if not bad and len(networks):
        yield Finding(Level.OK, f"{len(networks)} networks are present and unchanged")


def _difference(reader: StoreReader, path: str, sha256: str) -> str | None:
    """Return how a network differs from its record, or None. Files outside the store's folder are not described."""
    try:
        digest, size = sha256_of(reader.runs.network(path))
    except StoreError as error:
        return f"cannot be used ({error})"
    if digest == sha256:
        return None
    return f"differs from the stored one ({size} bytes with SHA-256 {digest[:12]}…, stored is {str(sha256)[:12]}…)"
