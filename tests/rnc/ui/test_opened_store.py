"""Results are kept for a store as it is, and computed again once it has changed or another store is shown."""

import gc
import os
import threading
import time
import weakref
from pathlib import Path

import pytest

from rnc.ui import default_runs, opened_store, run_picker, selection
from tests.rnc.store.hand_written import begin, one_epoch


@pytest.fixture(autouse=True)
def _shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "one"))
    monkeypatch.setenv("RNC_GALLERY", "")


def test_a_result_is_computed_once_for_equal_arguments() -> None:
    asked: list[tuple[str, bool]] = []

    @opened_store.cached_until_store_changes
    def answer(name: str, *, loud: bool = False) -> list[str]:
        asked.append((name, loud))
        return [name]

    assert answer("a") is answer("a") and answer("a", loud=True) == ["a"] and answer("b") == ["b"]
    assert asked == [("a", False), ("a", True), ("b", False)]


def test_a_change_of_the_store_makes_it_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    @opened_store.cached_until_store_changes
    def answer() -> int:
        asked.append(os.environ["RNC_STORE"])
        return len(asked)

    assert (answer(), answer()) == (1, 1)
    (tmp_path / "one").write_bytes(b"more")
    assert (answer(), answer()) == (2, 2)
    (tmp_path / "one.wal").write_bytes(b"not yet in the file")
    assert answer() == 3
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "two"))
    assert answer() == 4
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "one"))
    assert answer() == 3, "a store that is shown again has not changed"


def test_an_error_is_not_kept() -> None:
    asked: list[int] = []

    @opened_store.cached_until_store_changes
    def answer() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise ValueError("not yet")
        return 7

    with pytest.raises(ValueError, match="not yet"):
        answer()
    assert answer() == 7


def test_results_of_an_earlier_version_take_no_memory(tmp_path: Path) -> None:
    """A training changes its store every few seconds, and each result may be of many megabytes."""

    class Result:
        pass

    @opened_store.cached_until_store_changes
    def answer(_number: int) -> Result:
        return Result()

    earlier = [weakref.ref(answer(number)) for number in range(3)]
    gc.collect()
    assert all(result() is not None for result in earlier)
    (tmp_path / "one").write_bytes(b"more")
    answer(0)
    gc.collect()
    assert all(result() is None for result in earlier)


def test_sessions_that_want_the_same_at_once_compute_it_once() -> None:
    asked, together, answers = list[str](), threading.Barrier(3), list[list[str]]()

    @opened_store.cached_until_store_changes
    def answer(name: str) -> list[str]:
        asked.append(name)
        time.sleep(0.2)  # for the others to come
        return [name]

    def session() -> None:
        together.wait(30)
        answers.append(answer("a"))

    threads = [threading.Thread(target=session) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert asked == ["a"] and all(one is answers[0] for one in answers) and len(answers) == 3


def test_labels_defaults_and_descriptions_outlast_what_a_training_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "rnc.duckdb"
    monkeypatch.setenv("RNC_STORE", str(store))
    writer = begin(store, "a")
    writer.write_epoch("a", 0, one_epoch("a", 0))
    assert default_runs.default_runs() == ["a"]
    label, described = selection.labelled_runs(("a",))["label"]["a"], run_picker._descriptions()
    with monkeypatch.context() as patch:
        for module, name in (
            (selection, "run_labels"),
            (run_picker, "describe_run"),
            (default_runs, "choose_default_runs"),
        ):
            patch.setattr(module, name, None)  # (whoever calls them fails)
        writer.write_epoch("a", 1, one_epoch("a", 1))
        assert selection.labelled_runs(("a",))[["label", "epochs_done"]].values.tolist() == [[label, 1]]
        assert run_picker._descriptions() is described and default_runs.default_runs() == ["a"]
    begin(store, "b").write_epoch("b", 0, one_epoch("b", 0))
    assert set(run_picker._descriptions()) == {"a", "b"}
