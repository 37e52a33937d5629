"""A store of an older version is brought up to date by what writes to it, losing nothing; readers say how."""

import json
import re
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from rnc.store import backup, file_store
from rnc.store.__main__ import main
from rnc.store.backup import back_up
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.copy import copy_run
from rnc.store.errors import StoreError, StoreWriteError
from rnc.store.migrations import ADDED_TABLES, OLDEST_READ, SCHEMA_VERSION
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from tests.examples import NIGHTLY
from tests.rnc.store.hand_written import begin, one_epoch

SCHEMAS = Path(__file__).parent
CONFIG = json.dumps(
    {"dataset": "digits", "model": "small_cnn", "objective": "st", "norm": "linf", "epochs": 2, "seed": 1}
)
"""As version 1 kept it: width and subset came later."""
pytestmark = pytest.mark.one_file("the older stores are made as files")


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
            "('old', ?, ['a', 'b'], 'finished', 2, 'cpu')",
            [CONFIG],
        )
        connection.execute("INSERT INTO condition (condition, kind, label_rule) VALUES ('clean', 'clean', 'true')")
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


@pytest.mark.parametrize("version", range(1, OLDEST_READ), indirect=True)
def test_a_reader_says_how(old: Path, version: int) -> None:
    before = old.read_bytes()
    with (
        pytest.raises(StoreError, match=f"schema version {version}.*python -m rnc.store {old} --upgrade"),
        reading(old),
    ):
        pytest.fail("it was opened")
    assert old.read_bytes() == before


NOT_UPGRADED = pytest.mark.parametrize("version", range(OLDEST_READ, SCHEMA_VERSION), indirect=True)


@NOT_UPGRADED
def test_a_store_that_lacks_only_tables_is_read_as_it_is(old: Path, tmp_path: Path) -> None:
    """It has no rows in these tables; it can also be copied, and the copy is of this version."""
    before = old.read_bytes()
    reader = StoreReader(old)
    assert reader.runs.all()["run_id"].tolist() == ["old"]
    path = reader.samples.features_along_attack("old", "train", "clean")
    assert path.empty and list(path.columns) == ["epoch", "step", "sample", "predicted", "vector"]
    with reading(old) as connection:
        for table in ADDED_TABLES:
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []
    assert copy_run(old, tmp_path / "new" / "rnc.duckdb", "old")
    assert columns(tmp_path / "new" / "rnc.duckdb")["attack_path"] and old.read_bytes() == before
    with duckdb.connect(str(old), read_only=True) as connection:
        assert connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'attack_path'"
        ).fetchall() == [(0,)]


@NOT_UPGRADED
def test_a_store_that_is_read_as_it_is_has_published_runs_beside_it(
    old: Path, tiny_store: Path, tmp_path: Path
) -> None:
    run_id = str(StoreReader(tiny_store).runs.all()["run_id"].item())
    publish(tiny_store, run_id, tmp_path / "bundle")
    reader = StoreReader(old, tmp_path / "bundle")
    assert set(reader.runs.all()["run_id"]) == {"old", run_id}
    (attack,) = reader.runs.conditions([run_id]).query("role == 'perturbed'")["condition"]
    expected = StoreReader(tiny_store).samples.features_along_attack(run_id, "train", attack)
    found = reader.samples.features_along_attack(run_id, "train", attack)
    assert len(found) and found["vector"].map(list).tolist() == expected["vector"].map(list).tolist()
    assert reader.samples.features_along_attack("old", "train", attack).empty


@NOT_UPGRADED
def test_a_store_that_lacks_more_than_its_version_does_is_refused(old: Path) -> None:
    with duckdb.connect(str(old)) as connection:
        connection.execute("ALTER TABLE epoch DROP COLUMN train_loss")
    with pytest.raises(StoreError, match=r"table epoch of .* lacks train_loss"), reading(old):
        pytest.fail("it was opened")


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
    assert set(StoreReader(old).runs.all()["run_id"]) == {"old", "new"}


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(old: Path, version: int) -> None:
    with pytest.raises(RuntimeError, match="cut"), writing(old):
        raise RuntimeError("cut")
    with duckdb.connect(str(old)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(version,)]


OLDEST_AND_LAST = pytest.mark.parametrize(
    "version", range(1, SCHEMA_VERSION) if NIGHTLY else [1, SCHEMA_VERSION - 1], indirect=True
)
"""For what an upgrade does beside its SQL, which is the same for each version: the copy, the lock and the command."""


def copies(store: Path) -> list[Path]:
    return sorted(path for path in store.parent.iterdir() if path.is_file() and path != store)


def test_a_copy_of_the_older_store_stays_beside_it(old: Path, version: int) -> None:
    before = old.read_bytes()
    with writing(old):
        pass
    (copy,) = copies(old)
    assert re.fullmatch(rf"rnc-v{version}-\d{{4}}-\d\d-\d\d\.duckdb", copy.name)
    assert copy.read_bytes() == before
    with writing(old):
        pass
    assert copies(old) == [copy], "a store of this version needs none"


@OLDEST_AND_LAST
def test_what_lay_in_the_log_of_a_killed_writer_is_in_the_copy(old: Path) -> None:
    script = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('DELETE FROM metric'); os._exit(9)"
    subprocess.run([sys.executable, "-c", script, str(old)], check=False)
    assert old.with_name(old.name + ".wal").exists()
    with writing(old):
        pass
    (copy,) = copies(old)
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM metric").fetchall() == [(0,)]


@OLDEST_AND_LAST
def test_no_copy_is_replaced_and_the_same_one_serves_again(old: Path, version: int) -> None:
    for _attempt in range(2):
        with suppress(RuntimeError), writing(old):
            raise RuntimeError("cut")
    (copy,) = copies(old)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("CREATE TABLE precious (x INTEGER)")
    precious = copy.read_bytes()
    with writing(old):
        pass
    assert copy.read_bytes() == precious and len(copies(old)) == 2


@OLDEST_AND_LAST
def test_the_store_stays_locked_while_it_is_copied(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process would otherwise write between the copy and the upgrade."""
    script = "import duckdb, sys; duckdb.connect(sys.argv[1])"
    others: list[str] = []

    def watched(store: Path, version: int) -> Path:
        copy = back_up(store, version)
        other = subprocess.run(
            [sys.executable, "-c", script, str(store)], stderr=subprocess.PIPE, text=True, check=False
        )
        others.append(other.stderr)
        return copy

    monkeypatch.setattr(file_store, "back_up", watched)
    with writing(old):
        pass
    assert "Could not set lock" in others[0]


@OLDEST_AND_LAST
def test_without_room_for_the_copy_nothing_is_upgraded(old: Path, version: int) -> None:
    before, limits = old.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with (
            pytest.raises(StoreWriteError, match=f"version {version} and was left as it is.*File too large"),
            writing(old),
        ):
            pytest.fail("it was upgraded")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert copies(old) == []
    with duckdb.connect(str(old)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(version,)]


@pytest.mark.parametrize("version", range(1, OLDEST_READ), indirect=True)
def test_the_command_says_how(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old)]) == 2
    assert "--upgrade" in capsys.readouterr().err


@OLDEST_AND_LAST
def test_the_command_upgrades_and_lists(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(old), "--upgrade"]) == 0
    assert "old  finished  epoch 2 of 2" in capsys.readouterr().out
    assert main([str(old)]) == 0


def test_an_interrupted_copy_has_ended_before_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "rnc.duckdb"
    store.write_bytes(b"a store")
    waiting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.PIPE)
    usual = waiting.communicate

    def interrupted() -> None:
        monkeypatch.setattr(waiting, "communicate", usual)
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "communicate", interrupted)
    monkeypatch.setattr(backup, "start_helper", lambda *_command, **_named: waiting)
    try:
        with pytest.raises(KeyboardInterrupt):
            back_up(store, 3)
        assert waiting.returncode is not None
    finally:
        waiting.kill()
        waiting.wait()
