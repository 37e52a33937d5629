"""The doctor names what is wrong with a store, mends what can be rebuilt, and leaves the rest as it was."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from rnc.doctor.__main__ import main
from rnc.store.connection_per_transaction import reading
from rnc.store.locks import run_lock
from rnc.store.migrations import OLDEST_READ
from rnc.store.publish_run import publish
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
    for words in ("torch 2.", "device ", "digits (bundled)", "1 runs", "1 finished", "present and unchanged"):
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
    assert code == 1 and f"run {run_id} is stored as running" in out and "--repair fixes this" in out
    with run_lock(store, run_id):
        code, out = told(store, capsys, "--repair")
        assert code == 1 and "not repaired" in out
    assert ask(store, "SELECT state FROM run") == [("running",)]
    code, out = told(store, capsys, "--repair")
    assert code == 0 and f"recorded that {run_id} was interrupted" in out
    assert ask(store, "SELECT state, finished_at = heartbeat_at FROM run") == [("interrupted", True)]
    assert told(store, capsys)[0] == 0


def test_networks_that_miss_or_differ(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_rest = sorted(store.parent.glob("checkpoints/*/epoch-*.safetensors"))
    first.unlink()
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    code, out = told(store, capsys, "--repair")
    assert code == 1 and out.count("this cannot be repaired automatically") == 2
    assert f"{first} of" in out and "cannot be read (No such file" in out
    assert f"{second} of" in out and f"differs from the stored one ({len(content)} bytes" in out


def age(*paths: Path) -> None:
    """Let nobody have touched some files for a while."""
    for path in paths:
        os.utime(path, (time.time() - STALE_SECONDS - 1,) * 2)


def forget_runs(store: Path) -> None:
    """Take the runs out of a store, as a deletion does that is killed before the networks go."""
    with duckdb.connect(str(store)) as connection:
        connection.execute("DELETE FROM run; DELETE FROM checkpoint")


def test_leftovers_go_or_are_set_aside(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gone,) = store.parent.glob("checkpoints/*/")
    forget_runs(store)
    kept = {path.name: path.read_bytes() for path in gone.iterdir()}
    old = [
        gone / "resume.safetensors.partial", gone / ".epoch-0001.safetensors.partial",
        store.with_name("rnc-v3-2026-11-28.duckdb.partial"),
    ]  # fmt: skip
    for path in old:
        path.write_bytes(b"half")
    temporary, condemned = store.with_name(f".{store.name}-abc_d123"), gone.with_name(".a.deleted")
    for folder in (temporary, condemned):
        folder.mkdir()
    (temporary / store.name).write_bytes(b"half")
    (condemned / "epoch-0001.safetensors").write_bytes(b"half")
    age(*old, temporary, condemned)
    fresh = gone / "epoch-0009.safetensors.partial"
    fresh.write_bytes(b"half")
    code, out = told(store, capsys)
    assert code == 1 and out.count("is an incomplete file") == 5 and gone.exists()
    fresh.unlink()
    code, out = told(store, capsys, "--repair")
    assert code == 0, out
    assert not any(path.exists() for path in (*old, temporary, condemned, gone))
    aside = store.parent / "leftovers" / gone.name
    assert kept == {path.name: path.read_bytes() for path in aside.iterdir()}


def test_what_another_program_left_half_stays(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A browser's download, say, and whatever else only looks like something of ours."""
    (folder,) = store.parent.glob("checkpoints/*/")
    names = [
        "ubuntu.iso.partial",
        "x.duckdb.partial",
        f".{store.name}-backup",
        ".rnc.duckdb-2-abcdefgh",
        ".other.duckdb-abcdefgh",
    ]
    others = [*(store.with_name(name) for name in names), folder / "mine.partial", folder / "epoch-1.txt.partial"]
    for path in others:
        path.write_bytes(b"half")
    mine = store.with_name(f".{store.name}-abcdefgh")
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    age(*others, mine)
    code, out = told(store, capsys, "--repair")
    assert (
        code == 0
        and "is an incomplete file" not in out
        and all(path.exists() for path in (*others, mine / "thesis.tex"))
    )


@pytest.mark.parametrize("kind", ["a note", "another run's", "a link", "a linked folder", "empty", "resume of others"])
def test_a_folder_that_may_be_somebodys_stays(kind: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gone,) = store.parent.glob("checkpoints/*/")
    forget_runs(store)
    if kind == "a note":
        (gone / "notes.txt").write_text("mine")
    elif kind == "another run's":
        gone = gone.rename(gone.with_name("resnet18-of-mine"))
    elif kind == "a link":
        (gone / "epoch-0007.safetensors").symlink_to(gone / "epoch-0001.safetensors")
    elif kind == "a linked folder":
        gone.rename(store.parent / "elsewhere")
        gone.symlink_to(store.parent / "elsewhere")
    else:
        for path in gone.iterdir():
            path.unlink()
        if kind == "resume of others":
            (gone / "resume.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    before = {path: path.lstat().st_ino for path in store.parent.rglob("*")}
    told(store, capsys, "--repair")
    assert before == {path: path.lstat().st_ino for path in store.parent.rglob("*")}
    assert not (store.parent / "leftovers").exists()


def test_a_home_in_the_place_of_the_networks_is_not_moved(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`checkpoints` is a link to a folder of folders."""
    home = tmp_path / "home"
    (home / "thesis").mkdir(parents=True)
    shutil.rmtree(store.parent / "checkpoints")
    (store.parent / "checkpoints").symlink_to(home)
    code, out = told(store, capsys, "--repair")
    assert code == 1 and "by a link" in out and (home / "thesis").is_dir()


@pytest.mark.parametrize(
    "name", ["other.duckdb", "other.db", "other", "rnc.duckdb.bak", "rnc-v2-mine.duckdb", "rnc.lake"]
)
def test_networks_are_not_moved_where_another_store_may_own_them(
    name: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is called; and a half-written network of it is not removed."""
    other, (folder,) = store.with_name(name), store.parent.glob("checkpoints/*/")
    if name.endswith(".lake"):
        other.write_text("ducklake:postgres:host=db.example dbname=rnc\n")
    else:
        shutil.copyfile(store, other)
    forget_runs(store)
    half = folder / "resume.safetensors.partial"
    half.write_bytes(b"half")
    age(half)
    code, out = told(store, capsys, "--repair")
    assert code == 0 and f"it may belong to a run of {name}" in out and half.exists() and folder.exists()


def test_a_copy_from_before_an_upgrade_is_no_other_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copyfile(store, store.with_name("rnc-v3-2026-11-28.duckdb"))
    forget_runs(store)
    code, out = told(store, capsys, "--repair")
    assert code == 0 and "moved" in out


def test_a_network_elsewhere_is_not_opened(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is a part of its hash told."""
    secret = tmp_path / "secret"
    secret.write_text("a key")
    pipe = store.parent / "checkpoints" / "pipe.safetensors"
    os.mkfifo(pipe)
    recorded = [str(secret), "../secret", "/dev/zero", "/proc/self/fd/0", "checkpoints/pipe.safetensors", "", "a\0b"]
    with duckdb.connect(str(store)) as connection:
        for epoch, path in enumerate(recorded, 9):
            connection.execute("INSERT INTO checkpoint SELECT run_id, ?, ?, 'x' FROM run", [epoch, path])
    code, out = told(store, capsys, "--repair")
    assert code == 1 and out.count("cannot be used (network") == len(recorded)
    assert hashlib.sha256(b"a key").hexdigest()[:12] not in out


def test_a_folder_is_no_store(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((run_id,),) = ask(store, "SELECT run_id FROM run")
    publish(store, run_id, tmp_path / "gallery")
    for folder, words in (
        (tmp_path / "gallery", "folder of published runs, not a store"),
        (tmp_path, "is a folder, not a"),
    ):
        assert main([str(folder), "--repair"]) == 2 and words in capsys.readouterr().err


def test_a_store_that_makes_no_sense_is_a_finding(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE run SET run_id = chr(27) || ']0;owned' || chr(7), config = '{\"dataset\": 3}'")
    code, out = told(store, capsys, "--repair")
    assert code == 1 and "\x1b" not in out and "makes no sense" in out


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
    assert code == 1 and ("cannot be read completely" in out or "is damaged" in out), out
    assert store.read_bytes() == content


def test_who_holds_the_store_is_named(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); import time; time.sleep(3)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(store)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        code, out = told(store, capsys)
        assert code == 0 and f"(PID {other.pid}); the following checks wait for it" in out
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


def test_an_older_store_that_is_read_as_it_is_says_its_version(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = store.with_name("older.duckdb")
    with duckdb.connect(str(older)) as connection:
        connection.execute((Path(__file__).parents[1] / "store" / f"schema_v{OLDEST_READ}.sql").read_text())
        connection.execute("INSERT INTO schema_version VALUES (?)", [OLDEST_READ])
    code, out = told(older, capsys)
    assert code == 0 and f"schema version {OLDEST_READ}" in out
