"""Publication of finished runs: one subfolder per run with its rows as Parquet, its last network and a model card.

`published_reader.py` reads such folders.
"""

import json
import os
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from rnc.store.checkpoint_rows import last_checkpoint
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.file_locations import checked_run_id, copy_network, open_network
from rnc.store.migrations import SCHEMA_VERSION
from rnc.store.published_reader import PUBLISHED_TABLES
from rnc.store.replace_published_folder import CARD, run_folder
from rnc.store.run_card import run_card, without_folders
from rnc.vocabulary import FEATURES_LAYER, SYNTHETIC, Role, RunState

_LARGEST_NETWORK = 10_000_000
_ROWS_AT_ONCE = 50_000
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
"""The results of the last epoch that a card shows."""


def publish(store: Path, run_id: str, folder: Path) -> Path:
    """Write a finished run of a store into the folder, replacing an older copy; return the run's own folder.

    The last network is included if it has at most 10 MB; names of the machine and of its folders are left out. Raises
    StoreError, and leaves the folder unchanged, for a run that is not finished or is synthetic, for an id or a network path
    that leads elsewhere, for a network that is missing or damaged, and if something else has the run's folder name.
    """
    checked_run_id(run_id)
    with reading(store) as connection:
        runs = connection.execute("SELECT * FROM run WHERE run_id = ? LIMIT 2", [run_id]).df()
        if len(runs) != 1 or runs["state"].iloc[0] != RunState.FINISHED:
            raise StoreError(f"{run_id} is not a finished run of {store}; list them: python -m rnc.store {store}")
        if runs["device"].iloc[0] == SYNTHETIC:
            raise StoreError(f"{run_id} is synthetic: its numbers are made up, and are not published")
        network = _last_network(connection, store, run_id)
        try:
            config = json.dumps(without_folders(json.loads(runs["config"].iloc[0])))
            results = connection.execute(_RESULTS, [run_id]).df()
            card = run_card(runs.assign(config=config).iloc[0], results)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"run {run_id} has a config or facts that make no sense ({error}); train it again"
            ) from None
        with run_folder(folder, run_id, PUBLISHED_TABLES) as made:
            if network is not None:
                _take_network(*network, made)
            for table in PUBLISHED_TABLES:
                rows = _ROWS.get(table, f"SELECT * FROM {table} WHERE run_id = $run")
                known = {"network": None if network is None else network[0].name, "config": config}
                given = {"run": run_id} | {name: value for name, value in known.items() if f"${name}" in rows}
                _write_rows(connection.execute(f"{rows} ORDER BY ALL", given), made / f"{table}.parquet")
            (made / CARD).write_text(card)
    return folder / run_id


def _write_rows(answer: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Write the rows of an executed query as Parquet. Arrow writes the file, since the connection may not."""
    batches = answer.to_arrow_reader(_ROWS_AT_ONCE)
    schema = batches.schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def _last_network(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str) -> tuple[Path, str] | None:
    """Return the path of the last network and its SHA-256, or None if no network was kept or it is too large."""
    last = last_checkpoint(connection, store, run_id)
    if last is None:
        return None
    path, sha256 = last
    with open_network(path) as file:
        return None if os.fstat(file.fileno()).st_size > _LARGEST_NETWORK else (path, sha256)


def _take_network(path: Path, sha256: str, target: Path) -> None:
    if copy_network(path, target / path.name) != sha256:
        raise StoreError(f"network {path} is missing or damaged; train the run again with --overwrite")
