"""Rows of table `checkpoint`: how they are written and read. Recorded paths are checked by `files.recorded_network`.

Tested by tests/rnc/store/test_copy.py.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from rnc.store.file_locations import checkpoint_file, folder_containing_store, recorded_network
from rnc.store.row_buffer import Rows


def add_checkpoint(rows: Rows, store: Path, run_id: str, epoch: int, sha256: str) -> None:
    """Add the row of a network that lies at `files.checkpoint_file`; the recorded path is relative to the store's folder."""
    path = checkpoint_file(store, run_id, epoch).relative_to(folder_containing_store(store)).as_posix()
    rows.add("checkpoint", run_id=run_id, epoch=epoch, path=path, sha256=sha256)


def last_checkpoint(connection: duckdb.DuckDBPyConnection, store: Path, run_id: str) -> tuple[Path, str] | None:
    """Return the path and the SHA-256 of a run's last network; None if there is none. Raises StoreError for an unsafe path."""
    row = connection.execute(
        "SELECT path, sha256 FROM checkpoint WHERE run_id = ? ORDER BY epoch DESC LIMIT 1", [run_id]
    ).fetchone()
    return None if row is None else (recorded_network(store, run_id, row[0]), row[1])


def recorded_digests(rows: pa.Table) -> dict[str, str]:
    """Return recorded path -> SHA-256 of rows of the table."""
    return dict(zip(rows["path"].to_pylist(), rows["sha256"].to_pylist(), strict=True))
