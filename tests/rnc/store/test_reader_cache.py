"""When the reader opens the file: once a question while it is unchanged, anew when it has changed, never when it is gone."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from rnc.store import cached_queries as store_answers
from rnc.store import checked_run_configs
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import StoreError
from rnc.store.reader import StoreReader
from tests.conftest import ROOT
from tests.rnc.store.hand_written import begin, one_epoch


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a with three epochs, run b with one."""
    path = tmp_path_factory.mktemp("cache") / "rnc.duckdb"
    writer = begin(path, "a")
    for epoch in range(3):
        rows = one_epoch("a", epoch)
        rows.add("checkpoint", run_id="a", epoch=epoch, path="x", sha256="00")
        writer.write_epoch("a", epoch, rows)
    begin(path, "b").write_epoch("b", 0, one_epoch("b", 0))
    return path


Opened = list[Path]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The files that the reader has opened."""
    seen: Opened = []

    def spy(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        seen.append(path)
        return reading(path)

    monkeypatch.setattr(store_answers, "reading", spy)
    return seen


def test_an_unchanged_file_is_opened_once_a_question(store: Path, opened: Opened) -> None:
    reader = StoreReader(store)
    first = reader.metrics.curves(["a"], ["clean"], "train", ["nc1"])
    assert len(opened) == 1
    assert reader.metrics.curves(["a"], ["clean"], "train", ["nc1"]).equals(first)
    assert len(opened) == 1
    assert len(reader.metrics.curves(["b"], ["clean"], "train", ["nc1"])) == 1
    assert len(opened) == 2


def test_a_changed_file_is_read_anew(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "rnc.duckdb"
    writer, reader = begin(path, "a"), StoreReader(path)
    for epoch in range(3):
        writer.write_epoch("a", epoch, one_epoch("a", epoch))
        for _again in range(2):
            assert list(reader.metrics.measured_epochs(["a"])["epoch"]) == list(range(epoch + 1))
        assert len(opened) == epoch + 1


def test_the_cache_is_bounded(store: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_answers, "_CACHED_ANSWERS", 2)
    reader = StoreReader(store)
    for run in ("a", "b", "a", "c", "a"):
        reader.metrics.measured_epochs([run])
    assert len(opened) == 3, "a, asked again and again, stays"
    reader.metrics.measured_epochs(["b"])
    assert len(opened) == 4, "b, the oldest, made room for c"


def test_threads_share_a_reader(store: Path) -> None:
    reader, errors = StoreReader(store), []

    def ask() -> None:
        try:
            for _again in range(20):
                assert len(reader.metrics.curves(["a"], ["clean"], "train", ["nc1"])) == 3
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def test_threads_that_ask_the_same_at_once_ask_the_store_once(
    store: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, together = StoreReader(store), threading.Barrier(3)
    usual, answers = store_answers.CachedQueries._answer, list[int]()

    def slow(self: store_answers.CachedQueries, sql: str, arguments: list) -> pd.DataFrame:
        time.sleep(0.2)  # for the others to come
        return usual(self, sql, arguments)

    def ask() -> None:
        together.wait(30)
        answers.append(len(reader.metrics.curves(["a"], ["clean"], "train", ["nc1"])))

    monkeypatch.setattr(store_answers.CachedQueries, "_answer", slow)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [3, 3, 3] and len(opened) == 1
    assert not reader._cached._locks._locks, "no thread waits any more"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as the reader sees it."""
    now = [100.0]
    monkeypatch.setattr(store_answers.time, "monotonic", lambda: now[0])
    return now


def test_a_page_asks_one_version_which_ends_with_the_page_with_time_or_with_a_write_of_this_process(
    tmp_path: Path, clock: list[float]
) -> None:
    path = tmp_path / "rnc.duckdb"
    writer, reader = begin(path, "a"), StoreReader(path)
    writer.write_epoch("a", 0, one_epoch("a", 0))

    def state() -> str:
        return str(reader.runs.all()["state"].iloc[0])

    def written_by_another_process(state: str) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("UPDATE run SET state = ?", [state])

    with reader.one_version():
        assert state() == "running"
        written_by_another_process("failed")
        assert state() == "running"
        with reader.one_version():  # (the page of somebody else)
            assert state() == "running"
        writer.write_epoch("a", 1, one_epoch("a", 1))
        assert state() == "failed", "a visitor's own change is seen at once"
        written_by_another_process("finished")
        assert state() == "failed"
        clock[0] += 6
        assert state() == "finished"
        written_by_another_process("interrupted")
        assert state() == "finished"
    assert state() == "interrupted"
    written_by_another_process("failed")
    with reader.one_version():
        assert state() == "failed"


def test_what_a_trainer_writes_checks_no_config_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rnc.duckdb"
    writer, reader = begin(path, "a"), StoreReader(path)
    before, version = reader.runs.all(), reader.runs.configs_version()
    with monkeypatch.context() as patch:
        patch.setattr(checked_run_configs, "checked_config", None)  # (whoever calls it fails)
        writer.write_epoch("a", 0, one_epoch("a", 0))
        writer.write_epoch("a", 1, one_epoch("a", 1))
        after = reader.runs.all()
    assert list(after["epochs_done"]) == [1] and list(before["epochs_done"]) == [0]
    assert list(after.columns) == list(before.columns) and list(after["dataset"]) == list(before["dataset"])
    assert reader.runs.configs_version() == version
    begin(path, "b")
    assert set(reader.runs.all()["run_id"]) == {"a", "b"} and reader.runs.configs_version() != version


def test_a_store_that_appears_later_is_read(tmp_path: Path) -> None:
    reader = StoreReader(tmp_path / "rnc.duckdb")
    assert reader.runs.all().empty
    begin(reader.path, "a")
    assert list(reader.runs.all()["run_id"]) == ["a"]


def test_what_is_no_store_is_an_error_and_no_empty_answer(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"notes" * 1000)
    with pytest.raises(StoreError, match="not a DuckDB store"):
        StoreReader(path).runs.all()


@contextmanager
def no_reading(path: Path) -> Iterator[None]:
    raise AssertionError(f"{path} was opened")
    yield


def test_an_answer_lasts_without_any_connection(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = StoreReader(store)
    assert len(reader.runs.checkpoints(["a"])) == 3
    monkeypatch.setattr(store_answers, "reading", no_reading)
    assert len(reader.runs.checkpoints(["a"])) == 3


def test_a_block_of_queries_opens_the_store_once_and_again_after_a_while_for_writers(
    store: Path, opened: Opened, clock: list[float]
) -> None:
    reader = StoreReader(store)
    with reader.kept_open():
        for epoch in range(3):
            assert len(reader.vectors.epochs([str(epoch)])) == 0
        with reader.kept_open():
            assert len(reader.metrics.measured_epochs(["a"])) == 3
        assert len(opened) == 1
        clock[0] += 1
        assert len(reader.metrics.measured_epochs(["b"])) == 1
        assert len(opened) == 2
    begin(store, "c")  # (waits for half a minute if the store is still open)
    assert set(reader.runs.all()["run_id"]) == {"a", "b", "c"} and len(opened) == 3


def test_a_thread_that_keeps_the_store_open_waits_for_no_other(store: Path, opened: Opened) -> None:
    """The other one may be waiting until the store is closed, to open it itself."""
    reader, answered = StoreReader(store), threading.Event()

    def ask() -> None:
        with reader.kept_open():
            reader.metrics.measured_epochs(["a"])
        answered.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader._cached, "_locks", None)  # (a wait for a lock fails)
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(60)
    assert answered.is_set() and len(opened) == 1


def test_a_query_that_fails_in_a_block_says_why_and_closes_the_store(store: Path, opened: Opened) -> None:
    reader = StoreReader(store)
    with reader.kept_open():
        with pytest.raises(duckdb.Error, match="nowhere"):
            reader._cached.query("SELECT * FROM nowhere")
        begin(store, "d")
        assert "d" in set(reader.runs.all()["run_id"])
    assert len(opened) == 2


def test_a_block_sees_published_runs_and_a_store_that_is_not_there(tmp_path: Path) -> None:
    beside = StoreReader(tmp_path / "none.duckdb", ROOT / "data" / "gallery")
    with beside.kept_open():
        runs = beside.runs.all()
        assert runs["published"].all() and len(runs) > 1
        assert len(beside.metrics.measured_epochs(list(runs["run_id"]))) > len(runs)
    with StoreReader(tmp_path / "none.duckdb").kept_open() as nothing:
        assert nothing is None and StoreReader(tmp_path / "none.duckdb").runs.all().empty
