"""Trainers and readers of several processes share one store: nothing is lost, nothing half is seen, even on SIGKILL."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.locks import run_lock
from rnc.store.reader import StoreReader
from tests.rnc.store.hand_written import begin
from tests.rnc.store.writing_process import EPOCHS, METRICS, NEW_STORES, PAUSE, VECTORS, epoch_rows

ROOT = Path(__file__).resolve().parents[3]
READERS, READS_EACH = 8, 25
DUCKDB_HEADERS = 3 * 4096

Other = Callable[[str, Path], subprocess.Popen]


@pytest.fixture
def other() -> Iterator[Other]:
    """Starts `writing_process.py`; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen] = []

    def start(action: str, store: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.rnc.store.writing_process", action, str(store)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen, word: str) -> None:
    """Read what the process says until it says this; no clock but the suite's own time limit."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    pytest.fail(f"the other process ended before it said {word!r}")


def epochs_seen(store: Path) -> list[int]:
    with reading(store) as connection:
        return [epoch for (epoch,) in connection.execute("SELECT DISTINCT epoch FROM metric ORDER BY ALL").fetchall()]


def assert_whole_epochs(store: Path) -> list[int]:
    """Every epoch has all rows of both tables; returns the epochs."""
    with reading(store) as connection:
        metrics = connection.execute("SELECT epoch, count(*) FROM metric GROUP BY ALL ORDER BY ALL").fetchall()
        vectors = connection.execute("SELECT epoch, count(*) FROM class_mean GROUP BY ALL ORDER BY ALL").fetchall()
    epochs = [epoch for epoch, _count in metrics]
    assert metrics == [(epoch, METRICS) for epoch in range(len(epochs))]
    assert vectors == [(epoch, VECTORS) for epoch in range(len(epochs))]
    return epochs


class Watcher(threading.Thread):
    """Reads until it has begun a read after the writer's end, and READS_EACH in all."""

    def __init__(self, reader: StoreReader, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._reader, self._ended = reader, ended
        self.reads, self.error = 0, None  # type: ignore[var-annotated]
        self.seen: list[list[int]] = []
        self.halfway = threading.Event()

    def run(self) -> None:
        try:
            while True:
                last = self._ended.is_set()
                reader = self._reader
                epochs = list(reader.metrics.measured_epochs(["a"])["epoch"])
                done = int(reader.runs.all()["epochs_done"].iloc[0])
                assert done >= (epochs[-1] if epochs else 0), "the run row lags behind the epochs"
                if not self.seen or epochs != self.seen[-1]:
                    self.seen.append(epochs)
                self.reads += 1
                if len(epochs) >= PAUSE:
                    self.halfway.set()
                if last and self.reads >= READS_EACH:
                    return
                self._ended.wait(0.005)  # leave the processor to the writer
        except BaseException as error:
            self.error = error
            self.halfway.set()


@pytest.mark.one_file("the first bytes of a DuckDB file")
def test_a_store_has_no_name_before_it_is_whole(tmp_path: Path, other: Other) -> None:
    """Whoever opens a store while another process makes it would take half of its headers for a damaged file."""
    process = other("make", tmp_path)
    for name in range(NEW_STORES):
        path = tmp_path / f"{name}.duckdb"
        while not path.exists():
            assert process.poll() in (None, 0)
        assert path.stat().st_size >= DUCKDB_HEADERS
    process.wait()
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [".duckdb"] * NEW_STORES


@pytest.mark.slow
def test_readers_and_a_writer_in_another_process(tmp_path: Path, other: Other) -> None:
    """Eight threads read while 30 epochs land: no error, no lost epoch, and what is seen only grows."""
    store, ended = tmp_path / "rnc.duckdb", threading.Event()
    process = other("all", store)
    wait_for(process, "begun")
    shared = StoreReader(store)
    watchers = [Watcher(StoreReader(store) if i < 2 else shared, ended) for i in range(READERS)]
    for watcher in watchers:
        watcher.start()
    try:
        wait_for(process, "paused")
        assert all(watcher.halfway.wait(60) for watcher in watchers), "a reader does not see what has landed"
        process.communicate("go on\n")
    finally:
        ended.set()
    for watcher in watchers:
        watcher.join(200)
    assert process.returncode == 0
    assert [w.error for w in watchers] == [None] * READERS
    assert sum(w.reads for w in watchers) >= 200
    everything = list(range(EPOCHS))
    for watcher in watchers:
        assert all(epochs == everything[: len(epochs)] for epochs in watcher.seen)
        lengths = [len(epochs) for epochs in watcher.seen]
        assert lengths == sorted(lengths) and lengths[-1] == EPOCHS
        assert lengths[0] <= PAUSE, "it did not read while there was writing"
    assert assert_whole_epochs(store) == everything
    assert list(shared.runs.all()["state"]) == ["finished"]


def test_a_writer_killed_inside_a_transaction_leaves_whole_epochs(tmp_path: Path, other: Other) -> None:
    store = tmp_path / "rnc.duckdb"
    process = other("hang", store)
    wait_for(process, "middle")
    process.kill()
    assert process.wait() < 0
    assert assert_whole_epochs(store) == [0, 1, 2]
    begin(store, "b").write_epoch("a", 3, epoch_rows(3))
    assert assert_whole_epochs(store) == [0, 1, 2, 3]


@pytest.mark.parametrize("after", ["2", "5"])
def test_a_writer_killed_at_any_time_leaves_whole_epochs(tmp_path: Path, other: Other, after: str) -> None:
    store = tmp_path / "rnc.duckdb"
    process = other("ever", store)
    wait_for(process, after)
    process.kill()
    assert process.wait() < 0
    epochs = assert_whole_epochs(store)
    assert epochs[-1] >= int(after), "an epoch that was said to have landed is gone"
    begin(store, "b")
    assert assert_whole_epochs(store) == epochs


def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path, other: Other) -> None:
    store = tmp_path / "rnc.duckdb"
    process = other("lock", store)
    wait_for(process, "held")
    with (
        pytest.raises(StoreError, match=f"run a is being trained into .* by process {process.pid}"),
        run_lock(store, "a"),
    ):
        pytest.fail("both hold it")
    with run_lock(store, "b"), run_lock(tmp_path / "elsewhere" / "rnc.duckdb", "a"):
        pass
    process.kill()
    assert process.wait() < 0
    with run_lock(store, "a"):
        assert (tmp_path / "locks" / "a.lock").read_text() == str(os.getpid())


def test_a_lock_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"

    def fail() -> None:
        with run_lock(store, "a"):
            raise RuntimeError("stop")

    for _again in range(2):
        with pytest.raises(RuntimeError, match="stop"):
            fail()
    with run_lock(store, "a"), pytest.raises(StoreError, match=f"by process {os.getpid()}"), run_lock(store, "a"):
        pytest.fail("both hold it")
    assert not store.exists()
    assert epochs_seen(begin(store, "a").path) == []
