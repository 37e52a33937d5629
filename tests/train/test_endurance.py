"""Stopped by a time limit, by SIGTERM or by a full disk, a run says so, loses nothing that had landed, and goes on."""

import errno
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from rnc.probe import heartbeat
from rnc.probe.interruption import TimeLimit, parse_duration
from rnc.store.errors import StoreError
from rnc.store.file_store import FileStore
from tests.conftest import ROOT
from tests.train.small import ask
from train.run import main

MEASURED = (0, 1, 3)  # after an epoch that is not measured, too
FLAGS = ["--epochs", "3", "--steps", "1", "--sample-size", "20", "--no-umap", "--measured-epochs", "0,1,3"]
FLAGS += ["--subset", "100", "--measure-subset", "40", "--epsilon-fractions", "--layerwise-epochs", "last"]


def trained(store: Path, *more: str) -> int:
    return main([*FLAGS, *more, "--store", str(store)])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("unbroken") / "rnc.duckdb"
    assert trained(store) == 0
    return store


def same(store: Path, unbroken: Path) -> None:
    """All numbers, and the weights by their hashes."""
    assert ask(store, "SELECT state, epochs_done, error FROM run") == [("finished", 3, None)]
    for table in ("metric", "class_mean", "projection", "checkpoint"):
        question = f"SELECT * FROM {table} ORDER BY ALL"
        assert ask(store, question) == ask(unbroken, question), table
    assert ask(store, "SELECT epoch FROM epoch ORDER BY ALL") == [(epoch,) for epoch in range(1, 4)]


@pytest.mark.slow
def test_a_time_limit_ends_a_slice_after_an_epoch(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 75 says that the same command goes on; slice after slice it comes to the end."""
    monkeypatch.setattr(TimeLimit, "reached_by_next_epoch", lambda _self: True)
    store, done = tmp_path / "rnc.duckdb", []
    while (code := trained(store, "--time-limit", "2h")) == 75:
        ((state, error),) = ask(store, "SELECT state, error FROM run")
        assert state == "interrupted" and error.startswith("time limit reached after epoch ")
        assert error in capsys.readouterr().err
        done.append(int(error.split("epoch ")[1].split(";")[0]))
    assert code == 0 and done == [1, 2]
    same(store, unbroken)
    assert not list(store.parent.rglob("resume.safetensors")), "a finished run needs nothing to go on from"


def test_a_limit_that_is_over_begins_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in a recipe whose first runs took the time."""
    store = tmp_path / "rnc.duckdb"
    assert trained(store, "--time-limit", "0s") == 75
    assert "time limit reached before the run started" in capsys.readouterr().err
    assert ask(store, "SELECT count(*) FROM run") == [(0,)]


def test_a_limit_far_away_changes_nothing(unbroken: Path, tmp_path: Path) -> None:
    assert trained(tmp_path / "rnc.duckdb", "--time-limit", "2h") == 0
    same(tmp_path / "rnc.duckdb", unbroken)


def test_a_slice_ends_before_an_epoch_that_would_overrun(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("rnc.probe.interruption.time.time", lambda: now[0])
    limit, ends = TimeLimit(1100.0), []
    for seconds in (10, 40, 10, 10):  # (an epoch of 40 s, measurement included, may come again)
        now[0] += seconds
        ends.append(limit.reached_by_next_epoch())
    assert ends == [False, False, False, True]
    assert not TimeLimit(None).reached_by_next_epoch()


DURATIONS = {
    "90": 90,
    "90s": 90,
    "45m": 2700,
    "1.5h": 5400,
    "2d": 172800,
    "1:30:00": 5400,
    "0:45": 2700,
    "2-12:00:00": 216000,
}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_as_people_and_batch_systems_write_them(text: str) -> None:
    assert parse_duration(text) == DURATIONS[text]


@pytest.mark.parametrize("text", ["", "soon", "-5m", "1:2:3:4", "5 parsecs", "1h30"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; use 90s, 45m, 1\.5h"):
        parse_duration(text)


def begun(store: Path, *more: str) -> subprocess.Popen[str]:
    """A long training in a process of its own, once its first epochs have landed."""
    command = [sys.executable, "-m", "train.run", *FLAGS, "--epochs", "5000", "--measured-epochs", "0,1,2,5000", *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--store", str(store)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        try:
            kept = any((store.parent / "checkpoints").glob("*/epoch-0002.safetensors"))  # (a question takes 20 ms)
            if kept and ask(store, "SELECT count(*) FROM metric WHERE epoch = 2")[0][0]:
                return process
        except StoreError:
            pass
        time.sleep(0.1)
    pytest.fail(f"it ended by itself: {process.communicate()[1][-2000:]}")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "reason"), [
    (signal.SIGTERM, 143, "stopped by SIGTERM"),
    (signal.SIGINT, 130, "stopped by the user"),
])  # fmt: skip
def test_a_signal_ends_a_run_cleanly(
    request: pytest.FixtureRequest, tmp_path: Path, number: signal.Signals, code: int, reason: str
) -> None:
    """Ctrl-C reaches a process that loads torch itself; SIGTERM does so in
    `test_sigterm_reaches_the_runs_of_a_recipe`."""
    if number is signal.SIGTERM:
        request.getfixturevalue("loaded_commands")
    store = tmp_path / "rnc.duckdb"
    process = begun(store)
    process.send_signal(number)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == code and "Traceback" not in error
    assert ask(store, "SELECT state, error FROM run") == [("interrupted", reason)]
    assert ask(store, "SELECT DISTINCT epoch FROM metric ORDER BY ALL") == [(0,), (1,), (2,)]


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_sigterm_reaches_the_runs_of_a_recipe(tmp_path: Path) -> None:
    """The batch system tells the command; its workers, which load torch themselves, end as cleanly as a run alone."""
    store = tmp_path / "rnc.duckdb"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "train.run", "demo", *FLAGS, "--epochs", "5000", "--measured-epochs", "0,5000"]
    command += ["--vector-epochs", "none", "--checkpoint-epochs", "none", "--jobs", "2"]
    process = subprocess.Popen(
        [*command, "--store", str(store)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        try:
            if len(ask(store, "SELECT DISTINCT run_id FROM metric")) == 2:
                break
        except StoreError:
            pass
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 143 and "Traceback" not in error, error[-2000:]
    assert ask(store, "SELECT state, error FROM run") == [("interrupted", "stopped by SIGTERM")] * 2


class FullDisk:
    """A connection whose `fails`-th commit finds no room, as DuckDB reports it."""

    left = 0

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def commit(self) -> None:
        FullDisk.left -= 1
        if FullDisk.left == 0:
            self._connection.rollback()
            raise duckdb.TransactionException("Failed to commit: Could not write file: No space left on device")
        self._connection.commit()


COMMITS = {"the run": 2, "its layers": 3, "epoch 0": 4, "the projection of epoch 1": 7, "epoch 3": 8}


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS)
def test_a_full_disk_is_reported_and_loses_no_landed_epoch(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    """With room again, the same command goes on to the same end."""
    store, usual = tmp_path / "rnc.duckdb", FileStore.connect
    with monkeypatch.context() as patch:
        patch.setattr(heartbeat, "HEARTBEAT_SECONDS", math.inf)  # (whose commits come by the clock)
        patch.setattr(FileStore, "connect", lambda *where, **how: FullDisk(usual(*where, **how)))
        FullDisk.left = commit
        assert trained(store) == 1
    error = capsys.readouterr().err
    assert "Free space on the disk and start the same command again: it continues" in error and "Traceback" not in error
    landed = ask(store, "SELECT DISTINCT epoch FROM metric ORDER BY ALL")
    assert landed == [(epoch,) for epoch in MEASURED][: len(landed)]
    expected = [row for row in ask(unbroken, "SELECT * FROM metric ORDER BY ALL") if (row[1],) in landed]
    assert ask(store, "SELECT * FROM metric ORDER BY ALL") == expected
    assert trained(store) == 0
    same(store, unbroken)


@pytest.mark.parametrize("write", [1, 2, 3], ids=["checkpoint", "resume file", "later checkpoint"])
def test_a_checkpoint_that_finds_no_room_is_reported(
    unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """Nothing of its epoch lands, no half file stays, and the run goes on when there is room."""
    store, usual, calls = tmp_path / "rnc.duckdb", os.fsync, [0]

    def fsync(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        usual(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        assert trained(store) == 1
    assert "cannot be written (No space left on device); free space" in capsys.readouterr().err
    ((state, error),) = ask(store, "SELECT state, error FROM run")
    assert state == "failed" and "No space left on device" in error
    assert not list(store.parent.rglob("*.partial"))
    assert trained(store) == 0
    same(store, unbroken)
