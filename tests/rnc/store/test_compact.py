"""A store that is compacted is smaller and holds the same; whatever goes wrong, it is as it was."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from rnc.store import compact as compacting
from rnc.store.__main__ import main
from rnc.store.compact import compact
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreBusyError, StoreError, StoreWriteError
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from tests.rnc.store.hand_written import begin, one_epoch

pytestmark = pytest.mark.one_file("a lake has no file to be compacted")


@pytest.fixture(scope="session")
def with_room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that each test gets a copy of."""
    path = tmp_path_factory.mktemp("with-room") / "rnc.duckdb"
    for run_id in ("r", "s"):
        begin(path, run_id, width=1.0, subset=0).write_epoch(run_id, 0, one_epoch(run_id, 0))
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT range AS a FROM range(10)")
        connection.execute(
            "INSERT INTO metric SELECT m.* REPLACE ((1000 + r.range * 7919 % 1000003) AS epoch, hash(r.range) / 3 AS value) "
            "FROM (FROM metric LIMIT 1) m, range(300000) r"
        )
        connection.execute("CHECKPOINT")
        connection.execute("DELETE FROM metric WHERE epoch >= 1000")
        connection.execute("CHECKPOINT")
    path.chmod(0o640)
    return path


@pytest.fixture
def store(with_room: Path, tmp_path: Path) -> Path:
    """Two runs, and the room that many deleted rows have left."""
    shutil.copytree(with_room.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / with_room.name


def content(store: Path) -> dict[str, list[tuple]]:
    with duckdb.connect(str(store), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        held = {table: connection.execute(f'FROM "{table}" ORDER BY ALL').fetchall() for table in sorted(tables)}
        made = (
            "SELECT sql FROM duckdb_tables() UNION ALL SELECT sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        )
        return held | {"made by": connection.execute(made).fetchall()}


def test_it_is_smaller_and_the_same(store: Path) -> None:
    reader, before = StoreReader(store), content(store)
    unused = reader.unused_bytes()
    assert unused > 2**20 and len(reader.runs.all()) == 2
    old, new = compact(store)
    assert old - new >= unused and store.stat().st_size == new
    assert content(store) == before and "mine" in before
    assert store.stat().st_mode & 0o777 == 0o640
    assert len(reader.runs.all()) == 2 and reader.unused_bytes() < 2**20
    assert {path.name for path in store.parent.iterdir()} <= {"rnc.duckdb", "locks", "checkpoints"}
    with writing(store) as connection:
        connection.execute("DELETE FROM metric")
    assert content(store)["metric"] == []


def test_by_the_command(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(store), "--compact"]) == 0
    out = capsys.readouterr().out
    sizes = re.search(r"rnc\.duckdb: (\d+\.\d) MB before, (\d+\.\d) MB after", out)
    assert sizes and float(sizes[2]) <= float(sizes[1]) < 100 and "r  " in out


HOLDING = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(1, flush=True); sys.stdin.read()"


def test_a_program_that_holds_it_open_is_named(store: Path) -> None:
    content_before = store.read_bytes()
    command = [sys.executable, "-c", HOLDING, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"1\n"
        with pytest.raises(StoreBusyError, match=f"PID {other.pid}"):
            compact(store)
        assert other.stdin
        other.stdin.close()
    assert store.read_bytes() == content_before


def test_a_copy_that_is_not_the_same_is_not_taken(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(store)

    def lose_a_row(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        connection.execute("DELETE FROM target.main.run WHERE run_id = 'r'")
        check(connection, path)

    check = compacting._check_same
    monkeypatch.setattr(compacting, "_check_same", lose_a_row)
    with pytest.raises(StoreError, match="its copy has"):
        compact(store)
    assert content(store) == before and not list(store.parent.glob(".rnc*"))


def test_a_full_disk_leaves_it_as_it_was(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(store)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(StoreWriteError, match="fewer free"):
        compact(store)
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda _file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StoreWriteError, match="No space left"):
        compact(store)
    assert content(store) == before and not list(store.parent.glob(".rnc*"))


def test_what_a_killed_one_left_is_in_nobodys_way(store: Path, tmp_path: Path) -> None:
    """And a link in its place is not written through."""
    other = tmp_path / "precious"
    other.write_text("precious")
    store.with_name(".rnc.duckdb.compacted").symlink_to(other)
    assert compact(store)[1] < 2**22
    assert other.read_text() == "precious" and not store.is_symlink()


def test_a_store_with_a_view_of_a_stranger_is_refused(store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("CREATE VIEW theirs AS SELECT * FROM read_text('/etc/hostname')")
    before = store.read_bytes()
    with pytest.raises(StoreError, match="view 'theirs'"):
        compact(store)
    assert store.read_bytes() == before


def test_pages_and_trainings_go_on(store: Path) -> None:
    """A reader that was made before sees the new file, and a run that was written to goes on."""
    reader = StoreReader(store)
    assert len(reader.metrics.measured_epochs(["r"])) == 1
    compact(store)
    begin(store, "t", width=1.0, subset=0).write_epoch("t", 0, one_epoch("t", 0))
    assert set(reader.runs.all()["run_id"]) == {"r", "s", "t"}
    with reading(store) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (3,)


def test_what_duckdb_has_cut_off_already_is_not_unused(store: Path) -> None:
    """Once all runs are deleted the file has shrunk by itself; DuckDB goes on counting the blocks that it had."""
    with writing(store) as connection:
        connection.execute("UPDATE run SET state = 'finished'")
    for run in list(StoreReader(store).runs.all()["run_id"]):
        StoreWriter(store).delete_run(run)
    unused = StoreReader(store).unused_bytes()
    assert 0 <= unused <= store.stat().st_size
    old, new = compact(store)
    assert old - new <= unused + 2**20
