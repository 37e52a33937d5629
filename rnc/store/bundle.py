"""Publish finished runs: a folder with a subfolder a run, in it its rows as Parquet, its last network and a card.

`published_runs.py` reads such folders.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

import duckdb

from rnc.store.card import run_card, without_folders
from rnc.store.connection import SCHEMA_VERSION, StoreError, reading
from rnc.store.published_runs import PUBLISHED_TABLES
from rnc.store.quoting import quoted_text
from rnc.vocabulary import FEATURES_LAYER, SYNTHETIC, Role, RunState

GALLERY_VARIABLE = "RNC_GALLERY"
_GALLERY = Path(__file__).parents[2] / "data" / "gallery"
_LARGEST_NETWORK = 10_000_000
_ROWS = {
    "run": "SELECT * REPLACE (NULL::VARCHAR AS host, $config::JSON AS config) FROM run WHERE run_id = $run",
    "condition": "SELECT * FROM condition WHERE condition IN (SELECT condition FROM run_condition WHERE run_id = $run)",
    "checkpoint": "SELECT * REPLACE (run_id || '/' || parse_filename(path) AS path) FROM checkpoint "
    "WHERE run_id = $run AND parse_filename(path) = $network",
    "run_mark": "SELECT * REPLACE (NULL::TIMESTAMP AS archived_at) FROM run_mark WHERE run_id = $run",
}
_RESULTS = f"""
    SELECT m.metric, rc.role, m.split, m.value FROM metric m JOIN run_condition rc USING (run_id, condition)
    WHERE m.run_id = ? AND m.layer = '{FEATURES_LAYER}' AND m.means_split = m.split AND m.means_condition = m.condition
      AND rc.role IN ('{Role.CLEAN}', '{Role.PERTURBED}')
      AND m.epoch = (SELECT max(epoch) FROM metric last WHERE last.run_id = m.run_id)
    ORDER BY m.metric, rc.role, m.split DESC
"""
"""What a card tells of the last epoch."""


def gallery_path() -> Path | None:
    """The folder of published runs that the app shows: RNC_GALLERY (empty for none), or data/gallery of the project."""
    given = os.environ.get(GALLERY_VARIABLE)
    return _GALLERY if given is None else Path(given) if given else None


def publish(store: Path, run_id: str, folder: Path) -> Path:
    """Write a finished run of a store into the folder, in place of an older copy; returns the run's own folder.

    The last network goes along where it is of at most 10 MB; names of the machine and of folders on it do not. Raises
    StoreError, and leaves the folder as it was, for a run that is not finished or is made up, and for a network that is
    missing or damaged.
    """
    final, partial, older = folder / run_id, folder / f".{run_id}.partial", folder / f".{run_id}.older"
    with reading(store, folder.resolve()) as connection:  # (which may write files there, and nowhere else)
        found = connection.execute("SELECT * FROM run WHERE run_id = ?", [run_id]).df()
        if found.empty or found["state"].iloc[0] != RunState.FINISHED:
            raise StoreError(f"{run_id} is not a finished run of {store}; list them: python -m rnc.store {store}")
        if found["device"].iloc[0] == SYNTHETIC:
            raise StoreError(f"{run_id} is synthetic: its numbers are made up, and are not published")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        config = json.dumps(without_folders(json.loads(found["config"].iloc[0])))
        found = found.assign(config=config)
        try:
            network = _take_last_network(connection, store, run_id, partial)
            for table in PUBLISHED_TABLES:
                rows = _ROWS.get(table, f"SELECT * FROM {table} WHERE run_id = $run")
                known = {"network": network, "config": config}
                given = {"run": run_id} | {name: value for name, value in known.items() if f"${name}" in rows}
                connection.execute(
                    f"COPY ({rows} ORDER BY ALL) TO {quoted_text((partial / f'{table}.parquet').resolve())} "
                    f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{schema_version: '{SCHEMA_VERSION}'}})",
                    given,
                )
            results = connection.execute(_RESULTS, [run_id]).df()
            (partial / "README.md").write_text(run_card(found.iloc[0], results))
            if final.exists():  # (a folder that is not empty cannot be replaced in one step: the older copy makes way)
                final.rename(older)
            partial.rename(final)
        finally:
            if older.exists() and not final.exists():
                older.rename(final)
            shutil.rmtree(older, ignore_errors=True)
            shutil.rmtree(partial, ignore_errors=True)
    return final


def _take_last_network(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str, target: Path) -> str | None:
    """Copy the last network; its file's name, or None where none was kept or it is too large."""
    last = connection.execute(
        "SELECT path, sha256 FROM checkpoint WHERE run_id = ? ORDER BY epoch DESC LIMIT 1", [run_id]
    ).fetchone()
    if last is None:
        return None
    source = store.parent / last[0]
    if not source.exists() or hashlib.sha256(source.read_bytes()).hexdigest() != last[1]:
        raise StoreError(f"network {source} is missing or damaged; train the run again with --overwrite")
    if source.stat().st_size > _LARGEST_NETWORK:
        return None
    shutil.copyfile(source, target / source.name)
    return source.name
