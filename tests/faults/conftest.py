"""Fixture of the tests of faults: a store of one measured run, which the faults strike."""

from pathlib import Path

import pytest

from tests.rnc.store.hand_written import begin, one_epoch


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One run with a measured epoch."""
    path = tmp_path / "rnc.duckdb"
    begin(path, "a").write_epoch("a", 0, one_epoch("a", 0))
    return path
