"""Kept results: once a key, listed, found, forgotten; nothing is written where it must not be."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rnc.lab.attack import AttackRequest
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.saved_results import load, save
from rnc.lab.strength_curve import Axis, StrengthCurveRequest
from rnc.store.errors import StoreError
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.store.writer import MOST_CONTENT, StoreWriter
from rnc.vocabulary import RunState
from tests.rnc.lab.samples import PGD, SOURCE, attack_result, masking_result, sweep_result
from tests.rnc.lab.test_result_base import same
from tests.rnc.store.hand_written import begin

ATTACK = AttackRequest(SOURCE, PGD)
ALL = [
    (ATTACK, attack_result()),
    (StrengthCurveRequest((SOURCE, SOURCE), PGD, Axis.EPSILON, (0.0, 0.1)), sweep_result()),
    (MaskingRequest(SOURCE, PGD), masking_result()),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "rnc.duckdb"


def test_what_is_kept_is_found_again(store: Path) -> None:
    for number, (request, result) in enumerate(ALL):
        assert save(StoreWriter(store), request, result, f"Title {number}")
    reader = StoreReader(store)
    for number, (request, result) in enumerate(ALL):
        kept = load(reader, request.key)
        assert kept is not None and kept.request == request and kept.title == f"Title {number}"
        assert same(kept.result, result)


def test_they_are_listed_the_newest_first_without_their_content(store: Path) -> None:
    for request, result in ALL:
        save(StoreWriter(store), request, result, type(result).__name__)
    listed = StoreReader(store).lab.results()
    assert list(listed["title"]) == ["MaskingResult", "StrengthCurveResult", "AttackResult"]
    assert list(listed.columns) == ["key", "saved_at", "title", "request", "summary", "bytes"]
    assert json.loads(listed["summary"].iloc[2])["after"] == {"nc1": None} and (listed["bytes"] > 0).all()


def test_keeping_twice_is_keeping_once_under_the_new_title(store: Path) -> None:
    writer, reader = StoreWriter(store), StoreReader(store)
    assert save(writer, ATTACK, attack_result(), "one")
    first = reader.lab.results()
    assert not save(writer, ATTACK, attack_result(), "two")
    second = reader.lab.results()
    assert list(second["title"]) == ["two"] and second["saved_at"].equals(first["saved_at"])


def test_forgetting(store: Path) -> None:
    writer, reader = StoreWriter(store), StoreReader(store)
    save(writer, ATTACK, attack_result(), "one")
    writer.delete_lab_result("of another")
    assert len(reader.lab.results()) == 1
    writer.delete_lab_result(ATTACK.key)
    assert reader.lab.results().empty and load(reader, ATTACK.key) is None


def test_without_a_store_nothing_is_listed_or_found(store: Path) -> None:
    reader = StoreReader(store)
    assert list(reader.lab.results()["key"]) == [] and load(reader, ATTACK.key) is None
    assert not store.exists()


def test_a_stopped_result_is_not_kept(store: Path) -> None:
    with pytest.raises(ValueError, match="only a complete result"):
        save(StoreWriter(store), ATTACK, replace(attack_result(), stopped=True), "half")
    assert not store.exists()


def test_too_large_a_result_is_not_kept(store: Path) -> None:
    with pytest.raises(ValueError, match="more than the store keeps"):
        StoreWriter(store).save_lab_result("key", "large", "{}", "{}", bytes(MOST_CONTENT + 1))
    assert not store.exists()


def test_titles_may_say_anything(store: Path) -> None:
    title = "'); DROP TABLE lab_result; -- ä\n"
    save(StoreWriter(store), ATTACK, attack_result(), title)
    assert list(StoreReader(store).lab.results()["title"]) == [title]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written_is_left_as_it_is(store: Path) -> None:
    save(StoreWriter(store), ATTACK, attack_result(), "one")
    before = store.read_bytes()
    store.chmod(0o444)
    with pytest.raises(StoreError):
        save(StoreWriter(store), ALL[1][0], ALL[1][1], "two")
    assert store.read_bytes() == before and load(StoreReader(store), ATTACK.key) is not None


def test_a_file_of_another_kind_is_left_as_it_is(store: Path) -> None:
    store.write_bytes(b"a thesis" * 100)
    with pytest.raises(StoreError, match="not a DuckDB store"):
        save(StoreWriter(store), ATTACK, attack_result(), "one")
    assert store.read_bytes() == b"a thesis" * 100


def test_results_on_published_runs_are_kept_beside_them(tmp_path: Path, store: Path) -> None:
    """The folder of published runs is never written; what is kept lands in one's own store, though it has no run."""
    others, folder, run_id = tmp_path / "others.duckdb", tmp_path / "gallery", "published"
    begin(others, run_id).end_run(run_id, RunState.FINISHED, 1.0)
    publish(others, run_id, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    reader = StoreReader(store, folder)
    assert reader.lab.results().empty
    save(StoreWriter(store), ATTACK, attack_result(), "one")
    assert list(reader.lab.results()["title"]) == ["one"] and load(reader, ATTACK.key) is not None
    assert list(reader.runs.all()["run_id"]) == [run_id]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_damaged_content_is_an_error_that_says_so(store: Path) -> None:
    writer = StoreWriter(store)
    save(writer, ATTACK, attack_result(), "one")
    writer.save_lab_result("bad", "bad", StoreReader(store).lab.results()["request"].iloc[0], "{}", b"PK\x03\x04 no")
    with pytest.raises(ValueError, match="no result of the lab"):
        load(StoreReader(store), "bad")


def test_a_kept_result_is_not_held_in_memory(store: Path) -> None:
    save(StoreWriter(store), ATTACK, attack_result(50, 100), "one")
    reader = StoreReader(store)
    assert load(reader, ATTACK.key) is not None
    held = sum(int(answer.memory_usage(deep=True).sum()) for answer in reader._cached._answers.values())
    assert held < attack_result(50, 100).nbytes / 4
