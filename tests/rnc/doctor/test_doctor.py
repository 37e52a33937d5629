"""The doctor names what is wrong with a store, mends what can be rebuilt, and leaves the rest as it was."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from rnc.doctor.__main__ import main
from rnc.store.connection import reading
from rnc.store.run_lock import run_lock
from rnc.vocabulary import STALE_SECONDS
from tests.train.small import ask


@pytest.fixture
def store(own_tiny_store: Path) -> Path:
    return own_tiny_store


def told(store: Path, capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str]:
    code = main([str(store), "--data-root", str(store.parent / "no-images"), *flags])
    return code, capsys.readouterr().out


def test_a_healthy_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in store.parent.rglob("*") if path.is_file()}
    code, out = told(store, capsys)
    assert code == 0 and "trouble" not in out, out
    for words in ("torch 2.", "device ", "digits (bundled)", "1 runs", "1 finished", "byte for byte"):
        assert words in out
    assert before == {path: path.read_bytes() for path in store.parent.rglob("*") if path.is_file()}


def test_no_store_is_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(tmp_path / "rnc.duckdb", capsys, "--repair")
    assert code == 0 and "there is no store at" in out and list(tmp_path.iterdir()) == []


def test_a_dead_trainers_run_is_marked_and_a_living_ones_is_not(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ((run_id,),) = ask(store, "SELECT run_id FROM run")
    with duckdb.connect(str(store)) as connection:
        connection.execute(
            "UPDATE run SET state = 'running', finished_at = NULL, heartbeat_at = now()::TIMESTAMP - INTERVAL 1 DAY"
        )
    code, out = told(store, capsys)
    assert code == 1 and f"run {run_id} stands as running" in out and "--repair mends it" in out
    with run_lock(store, run_id):
        code, out = told(store, capsys, "--repair")
        assert code == 1 and "not repaired" in out
    assert ask(store, "SELECT state FROM run") == [("running",)]
    code, out = told(store, capsys, "--repair")
    assert code == 0 and f"noted that {run_id} was interrupted" in out
    assert ask(store, "SELECT state, finished_at = heartbeat_at FROM run") == [("interrupted", True)]
    assert told(store, capsys)[0] == 0


def test_networks_that_miss_or_differ(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_rest = sorted(store.parent.glob("checkpoints/*/epoch-*.safetensors"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    code, out = told(store, capsys, "--repair")
    assert code == 1 and out.count("this cannot be rebuilt") == 2
    assert f"{first} of" in out and "cannot be read (No such file" in out
    assert f"{second} of" in out and f"differs ({len(content)} bytes" in out


def test_leftovers_go_or_are_set_aside(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = store.parent.glob("checkpoints/*/")
    gone = folder.with_name("a-run-that-was-deleted")
    shutil.copytree(folder, gone)
    kept = {path.name: path.read_bytes() for path in gone.iterdir()}
    old = [folder / "resume.safetensors.partial", store.with_name("x.duckdb.partial")]
    fresh = folder / "epoch-0009.safetensors.partial"
    for path in (*old, fresh):
        path.write_bytes(b"half")
    temporary = store.with_name(f".{store.name}-abc")
    temporary.mkdir()
    for path in (*old, temporary):
        os.utime(path, (time.time() - STALE_SECONDS - 1,) * 2)
    code, out = told(store, capsys)
    assert code == 1 and out.count("was never finished") == 3 and gone.exists()
    code, out = told(store, capsys, "--repair")
    assert code == 0, out
    assert fresh.exists() and not any(path.exists() for path in (*old, temporary, gone))
    aside = store.parent / "leftovers" / gone.name
    assert kept == {path.name: path.read_bytes() for path in aside.iterdir()}


def test_networks_of_another_store_in_the_folder_stay(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = store.with_name("other.duckdb")
    store.rename(other)
    with duckdb.connect(str(store)):
        pass
    main([str(store), "--repair"])
    (folder,) = store.parent.glob("checkpoints/*/")
    assert folder.exists() and not (store.parent / "leftovers").exists()
    assert told(other, capsys)[0] == 0


def test_a_flipped_bit_is_found_wherever_it_is(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a block of a table, which DuckDB opens without complaint."""
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 16
    store.write_bytes(content)
    code, out = told(store, capsys, "--repair")
    assert code == 1 and ("cannot be read whole" in out or "is damaged" in out), out
    assert store.read_bytes() == content


def test_who_holds_the_store_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); import time; time.sleep(3)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(store)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        code, out = told(store, capsys)
        assert code == 0 and f"(PID {other.pid}) at this moment" in out
        other.wait()


def test_an_older_store_is_upgraded_with_a_copy(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = Path(__file__).parents[1] / "store" / "schema_v2.sql"
    older = store.with_name("older.duckdb")
    with duckdb.connect(str(older)) as connection:
        connection.execute(schema.read_text())
        connection.execute("INSERT INTO schema_version VALUES (2)")
    assert told(older, capsys)[0] == 1
    code, out = told(older, capsys, "--repair")
    assert code == 0 and "a copy from before an upgrade" in out
    with reading(older):
        pass
