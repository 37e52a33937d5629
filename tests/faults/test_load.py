"""A short spell of what `make load` does for ten minutes, and that its count can tell a lost row."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from tests.faults.load import load, stored


@pytest.mark.slow
def test_nothing_is_lost_while_others_read(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as other:  # (a browser test before this one leaves its event loop in this thread)
        outcome = other.submit(load, tmp_path, readers=3, writers=2, seconds=4).result()
    assert outcome.clean(), str(outcome)
    store = tmp_path / "rnc.duckdb"
    with duckdb.connect(str(store)) as connection:
        connection.execute("DELETE FROM class_metric WHERE rowid IN (SELECT rowid FROM class_metric LIMIT 3)")
    tables = sorted({table for table, _run, _epoch in outcome.landed})
    assert (outcome.landed - stored(store, tables)).total() == 3
