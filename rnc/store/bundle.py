"""Published runs: a folder with a subfolder a run, in it its rows as Parquet, one file a table, its last network and a card.

Such a folder is read beside a store, as if its runs were in it. The gallery that ships with the project is one.
"""

import glob
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from rnc.store.card import run_card, without_folders
from rnc.store.connection import SCHEMA_VERSION, empty_store, reading
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.files import checked_run_id, copy_network, open_network, recorded_network
from rnc.store.published_folder import CARD, run_folder
from rnc.vocabulary import FEATURES_LAYER, SYNTHETIC, Role, RunState

GALLERY_VARIABLE = "RNC_GALLERY"
_GALLERY = Path(__file__).parents[2] / "data" / "gallery"
_OLDEST_VERSION = 2  # since then columns have only been added; what a run's rows lack is NULL
_LARGEST_NETWORK = 10_000_000
_ROWS_AT_ONCE = 50_000
_ROWS = {
    "run": "SELECT * REPLACE (NULL::VARCHAR AS host, $config::JSON AS config) FROM run WHERE run_id = $run",
    "condition": "SELECT * FROM condition WHERE condition IN (SELECT condition FROM run_condition WHERE run_id = $run)",
    "checkpoint": "SELECT * REPLACE (run_id || '/' || parse_filename(path) AS path) FROM checkpoint "
    "WHERE run_id = $run AND parse_filename(path) = $network",
    "run_mark": "SELECT * REPLACE (NULL::TIMESTAMP AS archived_at) FROM run_mark WHERE run_id = $run",
}
_TABLES = (
    *_ROWS,
    *("run_condition", "layer", "epoch", "metric", "class_metric", "class_mean", "classifier"),
    *("feature", "projection", "leap"),
)
_RESULTS = f"""
    SELECT m.metric, rc.role, m.split, m.value FROM metric m JOIN run_condition rc USING (run_id, condition)
    WHERE m.run_id = ? AND m.layer = '{FEATURES_LAYER}' AND m.means_split = m.split AND m.means_condition = m.condition
      AND rc.role IN ('{Role.CLEAN}', '{Role.PERTURBED}')
      AND m.epoch = (SELECT max(epoch) FROM metric last WHERE last.run_id = m.run_id)
    ORDER BY m.metric, rc.role, m.split DESC
"""
"""What a card tells of the last epoch."""
_BESIDE = {
    "run": "SELECT *, false AS published FROM {own} UNION ALL BY NAME "
    "SELECT *, true AS published FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})",
    "condition": "SELECT * FROM {own} UNION BY NAME SELECT * FROM {files}",
    "checkpoint": "SELECT * FROM {own} UNION ALL BY NAME SELECT * REPLACE ({folder} || '/' || path AS path) "
    "FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})",
}
_OTHERS_BESIDE = (
    "SELECT * FROM {own} UNION ALL BY NAME SELECT * FROM {files} WHERE run_id NOT IN (SELECT run_id FROM {runs})"
)


def gallery_path() -> Path | None:
    """The folder of published runs that the app shows: RNC_GALLERY (empty for none), or data/gallery of the project."""
    given = os.environ.get(GALLERY_VARIABLE)
    return _GALLERY if given is None else Path(given) if given else None


def published(folder: Path) -> list[str]:
    """The ids of the runs in a folder, none where there is no such folder."""
    return sorted(rows.parent.name for rows in folder.glob("*/run.parquet"))


def publish(store: Path, run_id: str, folder: Path) -> Path:
    """Write a finished run of a store into the folder, in place of an older copy; return the run's own folder.

    The last network goes along where it is of at most 10 MB; names of the machine and of folders on it do not. Raises
    StoreError, and leaves the folder as it was, for a run that is not finished or is made up, for an id or a network's path
    that leads elsewhere, for a network that is missing or damaged, and where something else has the folder's name.
    """
    checked_run_id(run_id)
    with reading(store) as connection:
        found = connection.execute("SELECT * FROM run WHERE run_id = ? LIMIT 2", [run_id]).df()
        if len(found) != 1 or found["state"].iloc[0] != RunState.FINISHED:
            raise StoreError(f"{run_id} is not a finished run of {store}; list them: python -m rnc.store {store}")
        if found["device"].iloc[0] == SYNTHETIC:
            raise StoreError(f"{run_id} is synthetic: its numbers are made up, and are not published")
        network = _last_network(connection, store, run_id)
        try:
            config = json.dumps(without_folders(json.loads(found["config"].iloc[0])))
            results = connection.execute(_RESULTS, [run_id]).df()
            card = run_card(found.assign(config=config).iloc[0], results)
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"run {run_id} has a config or facts that make no sense ({error}); train it again"
            ) from None
        with run_folder(folder, run_id, _TABLES) as made:
            if network is not None:
                _take_network(*network, made)
            for table in _TABLES:
                rows = _ROWS.get(table, f"SELECT * FROM {table} WHERE run_id = $run")
                known = {"network": None if network is None else network[0].name, "config": config}
                given = {"run": run_id} | {name: value for name, value in known.items() if f"${name}" in rows}
                _write_rows(connection.execute(f"{rows} ORDER BY ALL", given), made / f"{table}.parquet")
            (made / CARD).write_text(card)
    return folder / run_id


def _write_rows(answer: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Write the rows of a query that was executed as Parquet. By Arrow: the connection may write no file."""
    batches = answer.to_arrow_reader(_ROWS_AT_ONCE)
    schema = batches.schema.with_metadata({"schema_version": str(SCHEMA_VERSION)})
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))


@contextmanager
def reading_beside(store: Path, folder: Path, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Like `reading`, the tables that `sql` names also having the rows of the folder's runs; the store may be missing.

    Table `run` has a column `published` more. A run that is in both is the store's. Raises StoreError where a run was
    published under another schema.
    """
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(reading(store))
        except StoreMissingError:
            if not published(folder):
                raise
            connection = opened.enter_context(empty_store())
        if published(folder):
            _lay_beside(connection, folder, sql)
        yield connection


def _lay_beside(connection: duckdb.DuckDBPyConnection, folder: Path, sql: str) -> None:
    """Hide the tables that `sql` names behind temporary views of theirs and the folder's rows."""
    _check_versions(connection, folder)
    found = connection.execute("SELECT current_database()").fetchone()
    assert found
    database = '"' + found[0].replace('"', '""') + '".main.'
    for table in _TABLES:
        if re.search(rf"\b{table}\b", sql) and any(
            folder.glob(f"*/{table}.parquet")
        ):  # (older runs have not all tables)
            view = _BESIDE.get(table, _OTHERS_BESIDE).format(
                own=database + table,
                runs=database + "run",
                files=f"read_parquet({_every(folder, table)}, union_by_name = true)",
                folder=_text(folder.resolve()),
            )
            connection.execute(f"CREATE TEMP VIEW {table} AS {view}")


def _check_versions(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    versions = connection.execute(
        f"SELECT file_name, decode(value) FROM parquet_kv_metadata({_every(folder, 'run')}) "
        "WHERE decode(key) = 'schema_version' AND decode(value) NOT IN (SELECT unnest(?))",
        [[str(version) for version in range(_OLDEST_VERSION, SCHEMA_VERSION + 1)]],
    ).fetchall()
    if versions:
        name, version = Path(versions[0][0]).parent.name, versions[0][1]
        raise StoreError(
            f"{folder / name} was published under schema version {version}, this program reads {SCHEMA_VERSION}; "
            f"publish it again, or take it out of the folder"
        )


def _last_network(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str) -> tuple[Path, str] | None:
    """Return the last network and its SHA-256, or None where none was kept or it is too large."""
    last = connection.execute(
        "SELECT path, sha256 FROM checkpoint WHERE run_id = ? ORDER BY epoch DESC LIMIT 1", [run_id]
    ).fetchone()
    if last is None:
        return None
    path = recorded_network(store, run_id, last[0])
    with open_network(path) as file:
        return None if os.fstat(file.fileno()).st_size > _LARGEST_NETWORK else (path, last[1])


def _take_network(path: Path, sha256: str, target: Path) -> None:
    if copy_network(path, target / path.name) != sha256:
        raise StoreError(f"network {path} is missing or damaged; train the run again with --overwrite")


def _every(folder: Path, table: str) -> str:
    """The files of a table, one a run, as an SQL text."""
    return _text(Path(glob.escape(str(folder))) / "*" / f"{table}.parquet")


def _text(value: Path) -> str:
    return "'" + str(value).replace("'", "''") + "'"
