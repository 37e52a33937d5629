"""Other stores in a store's folder. They share its folder of networks, so networks that one of them names must stay.

Tested by tests/rnc/store/test_run_editor.py.
"""

import re
from pathlib import Path

import duckdb

from rnc.store.backends import backend_of
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import NotAStoreError, StoreError, StoreMissingError
from rnc.store.file_locations import folder_containing_store, is_plain_file, networks_folder, real_path


def other_stores(store: Path) -> list[Path]:
    """Return the DuckDB files and lakes beside a store, without its own copies from before an upgrade."""
    this_store = real_path(store)
    others = (path for path in sorted(folder_containing_store(store).iterdir()) if path.name != this_store.name)
    return [path for path in others if _is_store(path) and not _is_backup(path, this_store)]


def users_of_networks(store: Path, run_id: str) -> tuple[list[Path], list[Path]]:
    """Return the other stores that name networks of a run, and the other stores for which this is unknown.

    Unknown are damaged or busy stores, stores of another schema, and lakes, which are not queried because their catalog may
    be on any machine. Both lists are empty if there are no files of such a run.
    """
    naming: list[Path] = []
    unknown: list[Path] = []
    if not networks_folder(store, run_id).exists():
        return naming, unknown
    for other in other_stores(store):
        try:
            if not backend_of(other).is_one_file:
                unknown.append(other)
            elif _names(other, run_id):
                naming.append(other)
        except (StoreError, duckdb.Error):
            unknown.append(other)
    return naming, unknown


def refuse_networks_of_others(store: Path, run_id: str) -> None:
    """Raise StoreError if another store in the folder names the networks that training a run would replace."""
    naming, _unknown = users_of_networks(store, run_id)
    if naming:
        raise StoreError(
            f"the networks of {run_id} in {networks_folder(store, run_id)} belong to {naming[0].name}, too, which lies beside "
            f"{real_path(store).name}, and would be replaced; name a store in another folder"
        )


def _names(other: Path, run_id: str) -> bool:
    try:
        with reading(other) as connection:
            sql = "SELECT 1 FROM checkpoint WHERE run_id = $run UNION ALL SELECT 1 FROM run WHERE run_id = $run LIMIT 1"
            return connection.execute(sql, {"run": run_id}).fetchone() is not None
    except (StoreMissingError, NotAStoreError):
        return False


def _is_store(path: Path) -> bool:
    return is_plain_file(path) and backend_of(path).file_begins_like_store()


def _is_backup(path: Path, store: Path) -> bool:
    """Return whether a file is named like a copy of the store from before an upgrade (`rnc/store/backup.py`)."""
    name = rf"{re.escape(store.stem)}-v\d+-\d{{4}}-\d\d-\d\d(-\d+)?{re.escape(store.suffix)}"
    return re.fullmatch(name, path.name) is not None
