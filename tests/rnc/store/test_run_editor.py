"""Tags, notes, the archive and deletion: each is whole or did not happen, trainings go on beside them, neighbours stay."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from rnc.store.errors import StoreError
from rnc.store.file_locations import networks_folder
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.store.run_editor import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, networks_of
from rnc.store.writer import StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.store.conftest import LAKE
from tests.rnc.store.hand_written import begin, one_epoch
from tests.rnc.store.test_concurrency import Other, assert_whole_epochs, other, wait_for
from tests.rnc.store.test_writer import full_run, snapshot

__all__ = ["other"]  # (a fixture)
NASTY = "<b>*bold*</b> [link](javascript:alert(1)) $x$ `code` 'quote'"


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that each test gets a copy of."""
    return make_two_runs(tmp_path_factory.mktemp("annotated") / "rnc.duckdb")


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Two finished runs with networks on the disk."""
    if LAKE:  # (a lake is not copied by copying what stands for it)
        return make_two_runs(tmp_path / "rnc.duckdb")
    made: Path = request.getfixturevalue("two_runs")
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / made.name


def make_two_runs(path: Path) -> Path:
    """Make the store of the fixture above."""
    for run_id in ("a", "b"):
        full_run(path, run_id).end_run(run_id, RunState.FINISHED, 1.0)
        StoreWriter(path).annotate(run_id, [], "")
        networks_folder(path, run_id).mkdir(parents=True)
        (networks_folder(path, run_id) / "epoch-0000.safetensors").write_bytes(b"x" * 7)
        (networks_folder(path, run_id) / "resume.safetensors").write_bytes(b"x" * 5)
    return path


def told(store: Path, run_id: str) -> tuple[list[str], str, bool]:
    """Return a run's tags, note and archive flag as the reader gives them."""
    run = StoreReader(store).runs.all().set_index("run_id").loc[run_id]
    return run["tags"], run["note"], bool(run["archived"])


def test_tags_and_notes_are_kept_as_they_were_typed(store: Path) -> None:
    assert told(store, "a") == ([], "", False)
    StoreWriter(store).annotate("a", ["  for the\tpaper ", "for the paper", "", NASTY[:LONGEST_TAG]], f" {NASTY}\n2 ")
    assert told(store, "a") == (sorted(["for the paper", NASTY[:LONGEST_TAG].strip()]), f"{NASTY}\n2", False)
    assert told(store, "b") == ([], "", False)
    StoreWriter(store).annotate("a", [], "")
    assert told(store, "a") == ([], "", False)


@pytest.mark.parametrize(
    ("tags", "note"),
    [(["t" * (LONGEST_TAG + 1)], ""), ([f"t{n}" for n in range(MOST_TAGS + 1)], ""), ([], "n" * (LONGEST_NOTE + 1))],
)
def test_what_is_too_long_is_refused(store: Path, tags: list[str], note: str) -> None:
    with pytest.raises(ValueError, match="at most"):
        StoreWriter(store).annotate("a", tags, note)
    assert told(store, "a") == ([], "", False)


def test_archiving_hides_nothing_else_and_can_be_taken_back(store: Path) -> None:
    writer = StoreWriter(store)
    writer.annotate("a", ["keep"], "why")
    writer.archive(["a", "b"])
    assert told(store, "a") == (["keep"], "why", True) and told(store, "b") == ([], "", True)
    writer.archive(["b"], archived=False)
    assert told(store, "a")[2] and not told(store, "b")[2]
    with pytest.raises(StoreError, match="no run c"):
        writer.archive(["b", "c"])
    assert not told(store, "b")[2]


def test_what_people_said_outlives_a_new_training(store: Path) -> None:
    StoreWriter(store).annotate("a", ["keep"], "why")
    begin(store, "a", overwrite=True)
    assert told(store, "a") == (["keep"], "why", False)


def test_they_travel_with_a_published_run_but_for_the_archive(store: Path, tmp_path: Path) -> None:
    mine = begin(tmp_path / "other.duckdb", "mine")
    mine.end_run("mine", RunState.FINISHED, 1.0)
    mine.annotate("mine", ["tag"], NASTY)
    mine.archive(["mine"])
    publish(tmp_path / "other.duckdb", "mine", tmp_path / "gallery")
    found = StoreReader(store, tmp_path / "gallery").runs.all().set_index("run_id").loc["mine"]
    assert found["published"] and (found["tags"], found["note"]) == (["tag"], NASTY) and not found["archived"]
    with pytest.raises(StoreError, match="is of the gallery"):
        StoreWriter(store).annotate("mine", [], "")


def test_a_deleted_run_is_gone_whole_and_its_neighbour_stays(store: Path) -> None:
    writer = StoreWriter(store)
    for run_id in ("a", "b"):
        writer.annotate(run_id, ["tag"], "note")
    before = snapshot(store, "b")
    assert networks_of(store, "a") == (2, 12)
    assert dict(StoreReader(store).runs.row_counts("a").to_numpy()) == {
        t: len(rows) for t, rows in snapshot(store, "a").items()
    }
    writer.delete_run("a")
    assert not any(snapshot(store, "a").values()) and not networks_folder(store, "a").exists()
    assert snapshot(store, "b") == before and networks_of(store, "b") == (2, 12)
    assert [path.name for path in (store.parent / "checkpoints").iterdir()] == ["b"]
    with pytest.raises(StoreError, match="no run a"):
        writer.delete_run("a")


@pytest.mark.parametrize("run_id", ["..", "../b", "/etc", "", "b/", "b\0"])
def test_an_id_that_leads_out_of_the_folder_is_refused(store: Path, run_id: str) -> None:
    with pytest.raises(StoreError, match="cannot be the id of a run"):
        StoreWriter(store).delete_run(run_id)
    assert networks_of(store, "b") == (2, 12)


def test_a_link_in_the_place_of_a_folder_is_taken_away_and_what_it_leads_to_stays(store: Path) -> None:
    folder = networks_folder(store, "a")
    folder.rename(store.parent / "disk")
    folder.symlink_to(store.parent / "disk")
    StoreWriter(store).delete_run("a")
    assert not folder.is_symlink() and len(list((store.parent / "disk").iterdir())) == 2


@pytest.mark.parametrize("kind", ["file", "link", "pipe", "folder"])
def test_whatever_stands_where_a_deleted_folder_goes_is_taken_away(kind: str, store: Path) -> None:
    folder, elsewhere = networks_folder(store, "a"), store.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    in_the_way = folder.with_name(f".{folder.name}.deleted")
    make = {"file": in_the_way.touch, "folder": in_the_way.mkdir, "pipe": lambda: os.mkfifo(in_the_way)}
    make.get(kind, lambda: in_the_way.symlink_to(elsewhere))()
    StoreWriter(store).delete_run("a")
    assert not folder.exists() and not in_the_way.is_symlink() and not in_the_way.exists()
    assert (elsewhere / "kept").exists() and networks_of(store, "b") == (2, 12)


def test_a_run_whose_trainer_holds_its_lock_is_refused(store: Path, other: Other) -> None:
    process, before = other("lock", store), snapshot(store, "a")
    wait_for(process, "held")
    with pytest.raises(StoreError, match=f"is being trained into .* by process {process.pid}"):
        StoreWriter(store).delete_run("a")
    assert snapshot(store, "a") == before and networks_of(store, "a") == (2, 12)


@pytest.mark.slow
def test_a_training_goes_on_beside_all_of_it(store: Path, tmp_path: Path, other: Other) -> None:
    """Run a is trained by another process, whose heartbeat says so; b is deleted meanwhile."""
    StoreWriter(store).delete_run("a")
    process = other("all", store)
    wait_for(process, "paused")
    writer = StoreWriter(store)
    with pytest.raises(StoreError, match="last sign of life"):
        writer.delete_run("a")
    process.stdin.write("\n")  # type: ignore[union-attr]
    process.stdin.flush()  # type: ignore[union-attr]
    writer.annotate("a", ["under way"], "note")
    writer.archive(["a"])
    writer.delete_run("b")
    assert process.wait() == 0
    assert not any(snapshot(store, "b").values())
    assert told(store, "a") == (["under way"], "note", True)
    assert len(assert_whole_epochs(store)) == 30


@pytest.mark.parametrize(("where", "rows"), [("delete_rows", True), ("_remove", False)])
def test_a_crash_loses_nothing_that_the_store_names(where: str, rows: bool, store: Path, other: Other) -> None:
    before, process = snapshot(store, "a"), other(where, store)
    wait_for(process, "middle")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert networks_of(store, "a") == (2, 12)
    assert snapshot(store, "a") == (before if rows else {table: [] for table in before})
    begin(store, "a", overwrite=True).write_epoch("a", 0, one_epoch("a", 0))
