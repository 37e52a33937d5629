"""Runs that are added whole, and the rows that a training writes beside its epochs: paths, networks, results of the lab."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnc.conditions import CLEAN
from rnc.store import writer as writer_module
from rnc.store.checked_run_configs import descriptions
from rnc.store.checkpoint_rows import add_checkpoint, last_checkpoint, recorded_digests
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import RunExistsError, StoreError
from rnc.store.queries import saved_lab_results
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows, text_column
from rnc.store.writer import CompleteRun, StoreWriter
from rnc.vocabulary import Role, RunState
from tests.rnc.store.hand_written import CLASSES, CONDITIONS, L2, PROVENANCE, begin, config, one_epoch
from tests.rnc.store.test_writer import ask, everywhere, full_run, snapshot


def complete(run_id: str, nc1: float = 1.0) -> CompleteRun:
    layers = [("pixels", 64), ("features", 8)]
    rows = one_epoch(run_id, 4, nc1)
    return CompleteRun(run_id, config(epochs=4, seed=7), CLASSES, PROVENANCE, CONDITIONS, layers, rows)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "rnc.duckdb"


def test_complete_runs_are_added_as_finished_ones(store: Path) -> None:
    StoreWriter(store).add_complete_runs([complete("a"), complete("b", 2.0)])
    columns = "run_id, state, epochs_done, wall_seconds, device, threads, error, config ->> '$.seed', classes"
    assert ask(store, f"SELECT {columns} FROM run ORDER BY run_id") == [
        (run_id, "finished", 4, 0.0, "cpu (test)", 1, None, "7", CLASSES) for run_id in "ab"
    ]
    times = ask(store, "SELECT DISTINCT started_at, heartbeat_at, finished_at FROM run")
    assert len(times) == 1 and len(set(times[0])) == 1 and times[0][0] is not None
    assert ask(store, "SELECT run_id, epoch, value FROM metric ORDER BY run_id") == [("a", 4, 1.0), ("b", 4, 2.0)]
    layers = ask(store, "SELECT layer, depth, size FROM layer WHERE run_id = 'b' ORDER BY depth")
    assert layers == [("pixels", 0, 64), ("features", 1, 8)]
    roles = ask(store, "SELECT role, condition FROM run_condition WHERE run_id = 'b' ORDER BY ALL")
    assert roles == sorted((role.value, condition.slug) for role, condition in CONDITIONS)
    assert len(ask(store, "SELECT condition FROM condition")) == len({c.slug for _role, c in CONDITIONS})


def test_a_complete_run_knows_the_conditions_of_earlier_ones(store: Path) -> None:
    begin(store, "a", CONDITIONS[:2])
    StoreWriter(store).add_complete_runs([replace(complete("b"), conditions=[(Role.CLEAN, CLEAN), (Role.EXTRA, L2)])])
    slugs = [slug for (slug,) in ask(store, "SELECT condition FROM condition")]
    assert sorted(slugs) == sorted({CONDITIONS[0][1].slug, CONDITIONS[1][1].slug, L2.slug})


def test_a_complete_run_replaces_an_unfinished_one_and_its_rows(store: Path) -> None:
    full_run(store, "a")
    other = full_run(store, "b") and snapshot(store, "b")
    StoreWriter(store).add_complete_runs([complete("a", 3.0)])
    found = snapshot(store, "a")
    assert {table for table, rows in found.items() if rows} == {"run", "run_condition", "layer", "metric", "run_mark"}
    assert ask(store, "SELECT state FROM run WHERE run_id = 'a'") == [("finished",)]
    assert ask(store, "SELECT epoch, value FROM metric WHERE run_id = 'a'") == [(4, 3.0)]
    assert snapshot(store, "b") == other


def test_of_complete_runs_none_is_added_if_one_is_there(store: Path) -> None:
    full_run(store, "b").end_run("b", RunState.FINISHED, 1.0)
    before = snapshot(store, "b")
    with pytest.raises(RunExistsError, match=r"run b is already in .*rnc\.duckdb, finished"):
        StoreWriter(store).add_complete_runs([complete("a"), complete("b")])
    assert snapshot(store, "b") == before
    assert not any(snapshot(store, "a").values())


def path_rows(run_id: str, epoch: int, step: int) -> Rows:
    rows = Rows()
    key = {"run_id": run_id, "epoch": epoch, "split": "train", "condition": "clean"}
    rows.add("attack_path", **key, step=step, sample=[4, 7], predicted=[0, 0], vector=np.eye(2))
    return rows


def test_attack_paths_are_replaced_at_the_epochs_named_of_their_run_alone(store: Path) -> None:
    writer = begin(store, "a")
    begin(store, "b").replace_attack_paths("b", [0], path_rows("b", 0, 9))
    writer.replace_attack_paths("a", [0], path_rows("a", 0, 1))
    writer.replace_attack_paths("a", [1], path_rows("a", 1, 1))
    new = path_rows("a", 1, 2)
    new.extend(path_rows("a", 2, 2))
    writer.replace_attack_paths("a", [1, 2], new)
    found = ask(store, "SELECT DISTINCT run_id, epoch, step FROM attack_path ORDER BY ALL")
    assert found == [("a", 0, 1), ("a", 1, 2), ("a", 2, 2), ("b", 0, 9)]


def test_only_a_running_run_is_marked_as_interrupted(store: Path) -> None:
    writer = begin(store, "a")
    begin(store, "b")
    begin(store, "c").end_run("c", RunState.FAILED, 2.0, "it broke")
    writer.heartbeat("a", 3)
    writer.mark_interrupted("a")
    writer.mark_interrupted("c")
    found = ask(store, "SELECT run_id, state, error, finished_at = heartbeat_at FROM run ORDER BY run_id")
    assert found[0] == ("a", "interrupted", "its trainer ended without a word", True)
    assert found[1] == ("b", "running", None, None)
    assert found[2][:3] == ("c", "failed", "it broke")


def test_a_checkpoint_is_recorded_relative_to_the_store(store: Path) -> None:
    writer, rows = begin(store, "a"), Rows()
    for epoch, sha256 in ((12, "cd" * 32), (7, "ab" * 32)):
        add_checkpoint(rows, store, "a", epoch, sha256)
    rows.extend(one_epoch("a", 12))
    writer.write_epoch("a", 12, rows)
    assert ask(store, "SELECT run_id, epoch, path, sha256 FROM checkpoint ORDER BY epoch") == [
        ("a", 7, "checkpoints/a/epoch-0007.safetensors", "ab" * 32),
        ("a", 12, "checkpoints/a/epoch-0012.safetensors", "cd" * 32),
    ]
    with reading(store) as connection:
        path, sha256 = last_checkpoint(connection, store, "a") or (None, None)
        assert path == store.parent / "checkpoints" / "a" / "epoch-0012.safetensors" and sha256 == "cd" * 32
        assert last_checkpoint(connection, store, "b") is None
        table = connection.execute("SELECT path, sha256 FROM checkpoint WHERE epoch = 7").to_arrow_table()
    assert recorded_digests(table) == {"checkpoints/a/epoch-0007.safetensors": "ab" * 32}


def test_a_classifier_has_its_rows_and_biases_in_the_order_of_the_classes(store: Path) -> None:
    writer, rows = begin(store, "a"), one_epoch("a", 1)
    key = {"run_id": "a", "epoch": 1}
    rows.add("classifier", **key, **{"class": [2, 0, 1]}, vector=np.diag([3.0, 1.0, 2.0]), bias=[0.2, None, 0.1])
    writer.write_epoch("a", 1, rows)
    writer.write_epoch("a", 2, everywhere("a", 2))
    full_run(store, "b").write_epoch("b", 1, everywhere("b", 1))
    classes, vectors, biases = StoreReader(store).vectors.classifier_with_biases("a", 1)
    assert classes.tolist() == [0, 1, 2]
    assert vectors.tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [3.0, 0.0, 0.0]]
    assert np.isnan(biases[0]) and biases[1:].tolist() == [0.1, 0.2] and biases.dtype == np.float64
    assert StoreReader(store).samples.epochs_and_conditions_with_features("a").values.tolist() == [
        [2, "train", "clean"]
    ]


@pytest.mark.parametrize("classes", [[0, 0], [0, -1], [0, None]])
def test_vectors_of_classes_that_are_no_classes_are_refused(store: Path, classes: list) -> None:
    writer, rows = begin(store, "a"), one_epoch("a", 1)
    rows.add("classifier", run_id="a", epoch=1, **{"class": classes}, vector=np.eye(2), bias=[0.0, 1.0])
    writer.write_epoch("a", 1, rows)
    with pytest.raises(StoreError, match="they name a class twice, or none"):
        StoreReader(store).vectors.classifier_with_biases("a", 1)


def test_a_run_that_is_there_twice_is_named() -> None:
    rows = {"run_id": ["a", "b", "b"], "config": [json.dumps(config())] * 3, "classes": [CLASSES] * 3, "device": "cpu"}
    with pytest.raises(StoreError, match="run b is in the store more than once"):
        descriptions(pd.DataFrame(rows))


def test_a_column_of_few_texts_reads_as_these_texts() -> None:
    column = text_column(["b", "a", "c"], np.array([2, 0, 0, 1]))
    assert column.to_pylist() == ["c", "b", "b", "a"] and column.dictionary.to_pylist() == ["b", "a", "c"]


def test_a_result_of_the_lab_is_kept_under_its_key(store: Path) -> None:
    writer, reader = StoreWriter(store), StoreReader(store)
    assert reader.lab.result("k1") is None and reader.lab.results().empty
    assert writer.save_lab_result("k1", "first", '{"a": 1}', '{"s": 1}', b"one")
    assert writer.save_lab_result("k2", "second", '{"a": 2}', '{"s": 2}', b"two!")
    assert not writer.save_lab_result("k1", "renamed", '{"a": 3}', '{"s": 3}', b"other")
    kept = reader.lab.result("k1")
    assert kept is not None
    assert (kept.title, kept.request, kept.content) == ("renamed", '{"a": 1}', b"one")
    shown = reader.lab.results()[["key", "title", "request", "summary", "bytes"]].values.tolist()
    assert shown == [["k2", "second", '{"a": 2}', '{"s": 2}', 4], ["k1", "renamed", '{"a": 1}', '{"s": 1}', 3]]
    ((saved, now),) = ask(store, "SELECT saved_at, now()::TIMESTAMP FROM lab_result WHERE key = 'k1'")
    assert kept.saved_at == saved and abs((now - saved).total_seconds()) < 24 * 3600
    writer.delete_lab_result("k2")
    writer.delete_lab_result("k3")
    assert StoreReader(store).lab.results()["key"].tolist() == ["k1"]


def test_a_result_of_the_lab_that_is_too_large_is_neither_kept_nor_read(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StoreWriter(store)
    monkeypatch.setattr(writer_module, "MOST_CONTENT", 2 * 2**20)
    assert writer.save_lab_result("whole", "t", "{}", "{}", bytes(2 * 2**20))
    with pytest.raises(ValueError, match=r"of 3 MiB is more than the store keeps \(2 MiB\); ask for fewer"):
        writer.save_lab_result("more", "t", "{}", "{}", bytes(3 * 2**20))
    with pytest.raises(ValueError, match="ask for fewer"):
        writer.save_lab_result("one more", "t", "{}", "{}", bytes(2 * 2**20 + 1))
    assert ask(store, "SELECT key FROM lab_result") == [("whole",)]
    monkeypatch.setattr(saved_lab_results, "MOST_RESULT_BYTES", 2 * 2**20)
    kept = StoreReader(store).lab.result("whole")
    assert kept is not None and len(kept.content) == 2 * 2**20
    monkeypatch.setattr(saved_lab_results, "MOST_RESULT_BYTES", 2 * 2**20 - 1)
    with pytest.raises(StoreError, match=r"2,097,152 bytes; at most 2,097,151 are read; forget it"):
        StoreReader(store).lab.result("whole")
    assert StoreReader(store).lab.result("absent") is None
