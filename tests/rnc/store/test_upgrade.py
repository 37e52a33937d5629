"""A store of an older version is brought up to date by what writes to it, losing nothing; readers say how."""

from pathlib import Path

import duckdb
import pytest

from rnc.store.__main__ import main
from rnc.store.connection import SCHEMA_VERSION, StoreError, reading, writing
from rnc.store.reader import StoreReader
from tests.rnc.store.hand_written import begin, one_epoch

SCHEMAS = Path(__file__).parent


@pytest.fixture(params=range(1, SCHEMA_VERSION))
def version(request: pytest.FixtureRequest) -> int:
    """Every version before this one."""
    return request.param


@pytest.fixture
def old(version: int, tmp_path: Path) -> Path:
    """A store of that version with one finished run and a number."""
    path = tmp_path / "rnc.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute((SCHEMAS / f"schema_v{version}.sql").read_text())
        connection.execute("INSERT INTO schema_version VALUES (?)", [version])
        connection.execute(
            "INSERT INTO run (run_id, config, classes, state, epochs_done, device) VALUES "
            """('old', '{"dataset": "digits", "epochs": 2}', ['a', 'b'], 'finished', 2, 'cpu')"""
        )
        connection.execute("INSERT INTO condition VALUES ('clean', 'clean', NULL, NULL, NULL, NULL, NULL, 'true')")
        connection.execute("INSERT INTO run_condition VALUES ('old', 'clean', 'clean')")
        connection.execute(
            "INSERT INTO metric VALUES ('old', 2, 'train', 'clean', 'train', 'clean', 'features', 'nc1', 0.5)"
        )
    return path


def columns(path: Path) -> dict[str, set[tuple[str, str]]]:
    """(name, type) of every table's columns."""
    with reading(path) as connection:
        found = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
        ).fetchall()
    tables: dict[str, set[tuple[str, str]]] = {}
    for table, column, kind in found:
        tables.setdefault(table, set()).add((column, kind))
    return tables


def test_a_reader_says_how(old: Path, version: int) -> None:
    before = old.read_bytes()
    with (
        pytest.raises(StoreError, match=f"schema version {version}.*python -m rnc.store {old} --upgrade"),
        reading(old),
    ):
        pytest.fail("it was opened")
    assert old.read_bytes() == before


def test_it_becomes_what_a_new_store_is(old: Path, tmp_path: Path) -> None:
    with writing(old):
        pass
    begin(tmp_path / "new" / "rnc.duckdb", "new")
    assert columns(old) == columns(tmp_path / "new" / "rnc.duckdb")
    with reading(old) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(SCHEMA_VERSION,)]
        assert connection.execute("SELECT run_id, value FROM metric").fetchall() == [("old", 0.5)]
        assert connection.execute("SELECT run_id, role, value FROM measurement").fetchall() == [("old", "clean", 0.5)]


def test_new_runs_stand_beside_the_old_ones(old: Path) -> None:
    begin(old, "new").write_epoch("new", 0, one_epoch("new", 0))
    assert set(StoreReader(old).runs()["run_id"]) == {"old", "new"}


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(old: Path, version: int) -> None:
    with pytest.raises(RuntimeError, match="cut"), writing(old):
        raise RuntimeError("cut")
    with duckdb.connect(str(old)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(version,)]


def test_the_command_upgrades_and_lists(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old)]) == 2
    assert "--upgrade" in capsys.readouterr().err
    assert main([str(old), "--upgrade"]) == 0
    assert "old  finished  epoch 2 of 2" in capsys.readouterr().out
    assert main([str(old)]) == 0
