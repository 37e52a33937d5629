"""The writer guards the keys that the SQL does not: one row a run, one of each condition, each epoch once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnc.conditions import CLEAN, Condition
from rnc.store.connection_per_transaction import reading
from rnc.store.errors import RunExistsError, StoreError
from rnc.store.row_buffer import Rows
from rnc.store.run_editor import TABLES_OF_A_RUN
from rnc.store.writer import StoreWriter, run_state
from rnc.vocabulary import Role, RunState
from tests.rnc.store.hand_written import (
    CLASSES,
    CONDITIONS,
    L2,
    PERTURBED,
    PROVENANCE,
    TARGETED,
    add_metrics,
    begin,
    config,
    one_epoch,
)


def ask(path: Path, sql: str, *arguments: Any) -> list[tuple]:
    with reading(path) as connection:
        return connection.execute(sql, list(arguments)).fetchall()


def snapshot(path: Path, run_id: str) -> dict[str, list[tuple]]:
    """All rows of a run."""
    with reading(path) as connection:
        found = {
            table: connection.execute(f"SELECT * FROM {table} WHERE run_id = ?", [run_id]).fetchall()
            for table in TABLES_OF_A_RUN
        }
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def everywhere(run_id: str, epoch: int = 0) -> Rows:
    """One row in each table that an epoch fills."""
    rows, key = one_epoch(run_id, epoch), {"run_id": run_id, "epoch": epoch}
    spot = {**key, "split": "train", "condition": "clean"}
    around = {"means_split": "train", "means_condition": "clean", "layer": "features"}
    rows.add("class_metric", **spot, **around, **{"class": 0}, metric="norm", value=1.0)
    rows.add("class_mean", **spot, layer="features", **{"class": range(2)}, vector=np.eye(2))
    rows.add("classifier", **key, **{"class": range(2)}, vector=np.eye(2), bias=[0.0, 1.0])
    rows.add("feature", **spot, sample=[4, 7], label=[0, 1], predicted=[0, 0], vector=np.eye(2))
    rows.add("attack_path", **spot, step=0, sample=[4, 7], predicted=[0, 0], vector=np.eye(2))
    rows.add("projection", **spot, method="pca", sample=[4, 7], coordinates=np.eye(2))
    rows.add("leap", **spot, true_class=0, predicted_class=1, count=3, angle=0.1)
    rows.add("checkpoint", **key, path="checkpoints/x", sha256="00")
    rows.add("epoch", **key, learning_rate=0.1)
    return rows


def full_run(path: Path, run_id: str) -> StoreWriter:
    writer = begin(path, run_id)
    writer.write_layers(run_id, [("pixels", 64), ("features", 8)])
    writer.write_epoch(run_id, 0, everywhere(run_id))
    writer.annotate(run_id, ["tag"], "note")
    return writer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "rnc.duckdb"


def test_naming_a_store_opens_nothing(store: Path) -> None:
    StoreWriter(store)
    assert not store.exists()


def test_a_run_is_entered_with_all_that_describes_it(store: Path) -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    begin(store, "a", seed=7)
    columns = "config, classes, state, epochs_done, device, threads, host, git_commit, versions, finished_at, error"
    ((text, classes, state, done, device, threads, host, commit, versions, finished, error),) = ask(
        store, f"SELECT {columns} FROM run"
    )
    assert json.loads(text) == config(seed=7) and classes == CLASSES
    assert (state, done, device, threads, host, commit) == ("running", 0, "cpu (test)", 1, "here", "abc")
    assert json.loads(versions) == {"python": "3"} and finished is None and error is None
    ((started, beat),) = ask(store, "SELECT started_at, heartbeat_at FROM run")
    assert started == beat and timedelta(0) <= started - before < timedelta(minutes=5)


def test_the_caller_keeps_what_it_gave(store: Path) -> None:
    given = json.loads(json.dumps(PROVENANCE))
    StoreWriter(store).begin_run("a", config(), CLASSES, given, CONDITIONS)
    assert given == PROVENANCE


def test_conditions_are_entered_once_for_all_runs(store: Path) -> None:
    begin(store, "a", CONDITIONS[:2])
    begin(store, "b", [*CONDITIONS[:3], (Role.EXTRA, L2), (Role.EXTRA, TARGETED)])
    begin(store, "c")
    found = ask(store, "SELECT condition FROM condition ORDER BY ALL")
    assert found == sorted((c.slug,) for c in (CLEAN, PERTURBED, TARGETED, L2))
    roles = ask(store, "SELECT role, condition FROM run_condition WHERE run_id = 'b' ORDER BY ALL")
    assert roles == sorted(
        [(r.value, c.slug) for r, c in CONDITIONS[:3]] + [("extra", L2.slug), ("extra", TARGETED.slug)]
    )


@pytest.mark.parametrize("condition", [CLEAN, PERTURBED, TARGETED, L2], ids=lambda c: c.slug)
def test_a_condition_row_says_what_the_condition_is(store: Path, condition: Condition) -> None:
    begin(store, "a")
    columns = "kind, norm, epsilon, step_size, steps, target_rule, label_rule"
    (row,) = ask(store, f"SELECT {columns} FROM condition WHERE condition = ?", condition.slug)
    assert row == tuple(getattr(condition, column) for column in columns.split(", "))


@pytest.mark.parametrize(
    ("slug", "row"),
    [
        ("pgd-linf-0.1-10", (None, None, None, None, None)),
        ("gaussian-linf-0.1", (None, None, None, None, None)),
        ("pgd-linf-0.1-10-class0-margin-momentum0.5-cosine-restarts3", ("margin", 0.5, 3, "cosine", 0)),
        ("apgd-linf-0.1-10-dlr", ("dlr", None, None, None, None)),
    ],
)
def test_options_of_an_attack_are_null_where_they_are_as_usual(store: Path, slug: str, row: tuple) -> None:
    begin(store, "a", [*CONDITIONS, (Role.EXTRA, Condition.from_slug(slug))])
    columns = "objective, momentum, restarts, schedule, target_class"
    assert ask(store, f"SELECT {columns} FROM condition WHERE condition = ?", slug) == [row]


def test_a_finished_run_is_not_written_over(store: Path) -> None:
    full_run(store, "a").end_run("a", RunState.FINISHED, 1.0)
    before = snapshot(store, "a")
    assert all(before.values())
    with pytest.raises(RunExistsError, match=r"run a is already in .*finished.*--overwrite"):
        begin(store, "a", CONDITIONS[:1])
    assert snapshot(store, "a") == before


def test_overwrite_puts_the_new_run_in_its_place_and_leaves_others(store: Path) -> None:
    full_run(store, "a").end_run("a", RunState.FINISHED, 1.0)
    full_run(store, "b").end_run("b", RunState.FINISHED, 1.0)
    other = snapshot(store, "b")
    begin(store, "a", CONDITIONS[:1], overwrite=True)
    found = snapshot(store, "a")
    assert {table: len(rows) for table, rows in found.items() if rows} == {"run": 1, "run_condition": 1, "run_mark": 1}
    assert ask(store, "SELECT state, error FROM run WHERE run_id = 'a'") == [("running", None)]
    assert snapshot(store, "b") == other


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FAILED])
def test_an_unfinished_run_gives_way(store: Path, state: RunState) -> None:
    writer = full_run(store, "a")
    if state is RunState.FAILED:
        writer.end_run("a", state, 1.0, "it broke")
    begin(store, "a")
    assert ask(store, "SELECT count(*) FROM run") == [(1,)]
    assert ask(store, "SELECT state, error, wall_seconds FROM run") == [("running", None, None)]
    assert ask(store, "SELECT count(*) FROM metric") == [(0,)]


def test_an_epoch_lands_whole_and_counts(store: Path) -> None:
    writer = begin(store, "a")
    writer.write_epoch("a", 2, everywhere("a", 2))
    assert ask(store, "SELECT epochs_done FROM run") == [(2,)]
    assert ask(store, 'SELECT "class", vector FROM class_mean ORDER BY 1') == [(0, [1.0, 0.0]), (1, [0.0, 1.0])]
    assert ask(store, "SELECT typeof(vector) FROM class_mean LIMIT 1") == [("FLOAT[]",)]


def test_an_epoch_is_stored_once(store: Path) -> None:
    writer = full_run(store, "a")
    before = snapshot(store, "a")
    with pytest.raises(StoreError, match="epoch 0 of a is already in"):
        writer.write_epoch("a", 0, everywhere("a"))
    assert snapshot(store, "a") == before
    writer.write_epoch("a", 1, everywhere("a", 1))
    begin(store, "b").write_epoch("b", 0, everywhere("b"))


def test_a_row_that_does_not_fit_leaves_nothing_of_its_epoch(store: Path) -> None:
    writer = full_run(store, "a")
    before = snapshot(store, "a")
    rows = everywhere("a", 1)
    rows.add("leap", run_id="a", epoch=1, no_such_column=1)
    with pytest.raises(Exception, match="no_such_column"):
        writer.write_epoch("a", 1, rows)
    assert snapshot(store, "a") == before


def test_layers_are_numbered_from_the_pixels_on(store: Path) -> None:
    begin(store, "a").write_layers("a", [("pixels", 64), ("conv1", 1024), ("features", 8)])
    found = ask(store, "SELECT layer, depth, size FROM layer ORDER BY depth")
    assert found == [("pixels", 0, 64), ("conv1", 1, 1024), ("features", 2, 8)]


def projected(run_id: str, method: str, sample: int) -> Rows:
    rows = Rows()
    key = {"run_id": run_id, "epoch": 0, "split": "train", "condition": "clean", "method": method}
    rows.add("projection", **key, sample=[sample], coordinates=np.array([[1.0, 2.0]]))
    return rows


def test_a_projection_replaces_those_of_its_run_and_method_alone(store: Path) -> None:
    writer = begin(store, "a")
    begin(store, "b").replace_projections("b", "pca", projected("b", "pca", 1))
    writer.replace_projections("a", "pca", projected("a", "pca", 1))
    writer.replace_projections("a", "umap", projected("a", "umap", 1))
    writer.replace_projections("a", "pca", projected("a", "pca", 2))
    found = ask(store, "SELECT run_id, method, sample FROM projection ORDER BY ALL")
    assert found == [("a", "pca", 2), ("a", "umap", 1), ("b", "pca", 1)]


def test_heartbeats_move_one_run_and_no_other(store: Path) -> None:
    writer = begin(store, "a")
    begin(store, "b")
    ((first,),) = ask(store, "SELECT heartbeat_at FROM run WHERE run_id = 'a'")
    ((other,),) = ask(store, "SELECT heartbeat_at FROM run WHERE run_id = 'b'")
    writer.heartbeat("a", 5)
    ((beat, done),) = ask(store, "SELECT heartbeat_at, epochs_done FROM run WHERE run_id = 'a'")
    assert beat > first and done == 5
    assert ask(store, "SELECT heartbeat_at, epochs_done FROM run WHERE run_id = 'b'") == [(other, 0)]


def test_an_end_is_stored_with_its_reason(store: Path) -> None:
    writer = begin(store, "a")
    begin(store, "b")
    writer.end_run("a", RunState.FAILED, 2.5, "it broke")
    assert ask(store, "SELECT state, wall_seconds, error FROM run WHERE run_id = 'a'") == [("failed", 2.5, "it broke")]
    ((started, finished),) = ask(store, "SELECT started_at, finished_at FROM run WHERE run_id = 'a'")
    assert finished > started
    with reading(store) as connection:
        assert [run_state(connection, r) for r in ("a", "b", "c")] == ["failed", "running", None]


def test_metrics_keep_nan_and_their_exact_values(store: Path) -> None:
    writer, rows = begin(store, "a"), Rows()
    add_metrics(rows, "a", 0, "train", CLEAN, {"nc1": float("nan"), "nc3": 0.1 + 0.2})
    writer.write_epoch("a", 0, rows)
    found = dict(ask(store, "SELECT metric, value FROM metric"))
    assert found["nc1"] != found["nc1"] and found["nc3"] == 0.1 + 0.2
