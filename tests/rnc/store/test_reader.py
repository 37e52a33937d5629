"""Each named question against rows written by hand, with neighbours that must not slip in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnc.conditions import CLEAN, Condition
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.queries import runs as run_queries
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.vocabulary import STALE_SECONDS, RunState
from tests.rnc.store.hand_written import CLASSES, L2, PERTURBED, TARGETED, add_metrics, begin


def an_epoch(run_id: str, epoch: int, shift: float) -> Rows:
    """Values that tell where they come from: the shift, plus tenths for split, condition, layer and means."""
    rows = Rows()
    add_metrics(rows, run_id, epoch, "train", CLEAN, {"nc1": shift, "nc3": shift + 0.9})
    add_metrics(rows, run_id, epoch, "train", PERTURBED, {"nc1": shift + 0.1, "ncc_accuracy": shift + 0.8})
    add_metrics(rows, run_id, epoch, "train", PERTURBED, {"angle": shift + 0.2}, ("train", CLEAN))
    add_metrics(rows, run_id, epoch, "train", PERTURBED, {"ncc_accuracy": shift + 0.3}, ("train", CLEAN))
    add_metrics(rows, run_id, epoch, "train", L2, {"nc1": shift + 0.4})
    add_metrics(rows, run_id, epoch, "train", CLEAN, {"nc1": -1.0}, layer="conv1")
    add_metrics(rows, run_id, epoch, "test", CLEAN, {"nc1": shift + 0.5})
    add_metrics(rows, run_id, epoch, "test", PERTURBED, {"angle": shift + 0.6}, ("test", CLEAN))
    add_metrics(rows, run_id, epoch, "test", PERTURBED, {"ncc_accuracy": shift + 0.7}, ("train", CLEAN))
    return rows


def add_vectors(rows: Rows, run_id: str, epoch: int, condition: Condition, shift: float) -> None:
    spot = {"run_id": run_id, "epoch": epoch, "split": "train", "condition": condition.slug}
    around = {"means_split": "train", "means_condition": "clean", "layer": "features"}
    rows.add("class_metric", **spot, **around, **{"class": [1, 0]}, metric="norm", value=[shift + 1, shift])
    rows.add("class_mean", **spot, layer="features", **{"class": [2, 0]}, vector=np.array([[2.0, shift], [0.0, shift]]))
    rows.add("feature", **spot, sample=[5, 3], label=[1, 0], predicted=[2, 0], vector=np.zeros((2, 2)))
    for method, sign in (("pca", 1), ("umap", -1)):
        plane = sign * np.array([[5.0, shift], [3.0, shift]])
        rows.add("projection", **spot, method=method, sample=[5, 3], coordinates=plane)
    if condition != CLEAN:
        rows.add("leap", **spot, true_class=[1, 0], predicted_class=[2, 1], count=[4, 6], angle=[shift, 0.5])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a with epochs 0, 2, 4 and vectors at 4; run b with epoch 1 and vectors."""
    path = tmp_path_factory.mktemp("reader") / "rnc.duckdb"
    writer = begin(path, "a")
    for epoch in (0, 2, 4):
        rows = an_epoch("a", epoch, 10.0 * epoch)
        if epoch == 4:
            add_vectors(rows, "a", 4, CLEAN, 0.25)
            add_vectors(rows, "a", 4, PERTURBED, 0.75)
            rows.add("classifier", run_id="a", epoch=4, **{"class": [1, 0]}, vector=np.array([[1.0, 7.0], [0.0, 8.0]]))
        rows.add("checkpoint", run_id="a", epoch=epoch, path=f"checkpoints/a/{epoch}", sha256=f"{epoch:02}")
        writer.write_epoch("a", epoch, rows)
    rows = an_epoch("b", 1, 500.0)
    add_vectors(rows, "b", 1, CLEAN, 99.0)
    rows.add("checkpoint", run_id="b", epoch=1, path="checkpoints/b/1", sha256="ff")
    begin(path, "b", objective="at", seed=2, umap=False).write_epoch("b", 1, rows)
    return path


@pytest.fixture
def reader(store: Path) -> StoreReader:
    return StoreReader(store)


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_runs_come_with_config_and_the_newest_first(reader: StoreReader) -> None:
    found = reader.runs.all()
    columns = ("run_id", "objective", "seed", "epochs", "epochs_done", "state", "dataset")
    expected = [("b", "at", 2, 4, 1, "running", "digits"), ("a", "st", 1, 4, 4, "running", "digits")]
    assert rows_of(found, *columns) == expected
    assert list(found["classes"].iloc[0]) == CLASSES


def test_conditions(reader: StoreReader) -> None:
    found = reader.runs.conditions(["a"])
    expected = {("clean", "clean"), ("perturbed", PERTURBED.slug), ("targeted", TARGETED.slug), (L2.slug, L2.slug)}
    assert set(rows_of(found, "shown", "condition")) == expected and len(found) == 4
    extra = found[found["role"] == "extra"].iloc[0]
    assert (extra["norm"], extra["epsilon"], extra["steps"], extra["run_id"]) == ("l2", 0.5, 10, "a")
    assert len(reader.runs.conditions(["a", "b"])) == 8 and reader.runs.conditions([]).empty


def test_epochs(reader: StoreReader) -> None:
    found = reader.metrics.measured_epochs(["b", "a"])
    assert rows_of(found, "run_id", "epoch") == [("a", 0), ("a", 2), ("a", 4), ("b", 1)]
    assert rows_of(reader.vectors.epochs(["a"]), "run_id", "epoch") == [("a", 4)]
    assert reader.metrics.measured_epochs(["c"]).empty
    assert rows_of(reader.metrics.value_counts_by_run(), "run_id", "metrics") == [("a", 33), ("b", 11)]


def test_curves(reader: StoreReader) -> None:
    found = reader.metrics.curves(["a"], ["clean", "perturbed", L2.slug], "train", ["nc1", "angle"])
    expected = {
        (c, "nc1", e, 10.0 * e + d) for e in (0, 2, 4) for c, d in (("clean", 0), ("perturbed", 0.1), (L2.slug, 0.4))
    }
    assert set(rows_of(found, "shown", "metric", "epoch", "value")) == expected and len(found) == 9
    assert set(found["condition"]) == {"clean", PERTURBED.slug, L2.slug} and set(found["run_id"]) == {"a"}
    own = reader.metrics.curves(["b"], ["perturbed"], "train", ["ncc_accuracy"])
    assert rows_of(own, "run_id", "epoch", "value") == [("b", 1, 500.8)]
    assert rows_of(reader.metrics.curves(["b"], ["clean"], "test", ["nc1"]), "value") == [(500.5,)]
    assert reader.metrics.curves(["a"], [], "train", ["nc1"]).empty


def test_curves_come_in_the_order_of_epochs(reader: StoreReader) -> None:
    assert list(reader.metrics.curves(["a"], ["clean"], "train", ["nc1"])["epoch"]) == [0, 2, 4]


def test_against_clean_means_of_the_same_split_or_another(reader: StoreReader) -> None:
    wanted = ["angle", "ncc_accuracy"]
    found = reader.metrics.against_clean_means(["b"], ["perturbed"], "test", wanted)
    assert rows_of(found, "metric", "value") == [("angle", 500.6)]
    found = reader.metrics.against_clean_means(["b"], ["perturbed"], "test", wanted, means_split="train")
    assert rows_of(found, "metric", "value") == [("ncc_accuracy", 500.7)]
    found = reader.metrics.against_clean_means(["b"], ["perturbed"], "train", wanted)
    assert rows_of(found, "metric", "value") == [("angle", 500.2), ("ncc_accuracy", 500.3)]


def test_all_that_a_page_draws_over_epochs_at_once(reader: StoreReader) -> None:
    """Each metric around the means that are asked for, though others are stored of it."""
    wanted = {"nc1": "own", "angle": "clean", "ncc_accuracy": "train clean"}
    found = reader.metrics.over_epochs(["b"], ["clean", "perturbed"], "train", wanted)
    expected = [("nc1", "clean", 500.0), ("angle", "perturbed", 500.2), ("nc1", "perturbed", 500.1)]
    assert set(rows_of(found, "metric", "shown", "value")) == {*expected, ("ncc_accuracy", "perturbed", 500.3)}
    assert len(found) == 4
    test = reader.metrics.over_epochs(["b"], ["clean", "perturbed"], "test", wanted)
    expected = [("nc1", "clean", 500.5), ("angle", "perturbed", 500.6), ("ncc_accuracy", "perturbed", 500.7)]
    assert set(rows_of(test, "metric", "shown", "value")) == set(expected) and len(test) == 3
    assert reader.metrics.over_epochs([], ["clean"], "train", wanted).empty


def test_class_metrics(reader: StoreReader) -> None:
    found = reader.metrics.class_metrics({"a": 4}, "train")
    expected = [("clean", 0, 0.25), ("clean", 1, 1.25), ("perturbed", 0, 0.75), ("perturbed", 1, 1.75)]
    assert rows_of(found, "shown", "class", "value") == expected
    assert set(found["means_condition"]) == {"clean"}
    both = reader.metrics.class_metrics({"b": 1, "a": 4}, "train")
    assert rows_of(both[both["run_id"] == "a"], "shown", "class", "value") == expected
    assert rows_of(both[both["run_id"] == "b"], "class", "value") == [(0, 99.0), (1, 100.0)]
    assert (
        reader.metrics.class_metrics({"b": 4, "a": 1}, "train").empty
        and reader.metrics.class_metrics({}, "train").empty
    )
    assert (
        reader.metrics.class_metrics({"a": 2}, "train").empty and reader.metrics.class_metrics({"a": 4}, "test").empty
    )


def test_vectors_come_in_the_order_of_classes(reader: StoreReader) -> None:
    classes, means = reader.vectors.class_means("a", 4, "train", PERTURBED.slug)
    assert classes.tolist() == [0, 2] and means.tolist() == [[0.0, 0.75], [2.0, 0.75]] and means.dtype == np.float64
    classes, weight = reader.vectors.classes_and_classifier_rows("a", 4)
    assert classes.tolist() == [0, 1] and weight.tolist() == [[0.0, 8.0], [1.0, 7.0]]
    classes, means = reader.vectors.class_means("a", 2, "train", "clean")
    assert classes.shape == (0,) and means.shape == (0, 0)


def test_leaps(reader: StoreReader) -> None:
    found = reader.metrics.leaps("a", 4, "train", PERTURBED.slug)
    assert rows_of(found, "true_class", "predicted_class", "count", "angle") == [(0, 1, 6, 0.5), (1, 2, 4, 0.75)]
    assert reader.metrics.leaps("a", 4, "test", PERTURBED.slug).empty


def test_projections(reader: StoreReader) -> None:
    found = reader.samples.projection("a", 4, "train", ["clean"], "pca")
    columns = ("shown", "sample", "label", "predicted", "x", "y")
    assert rows_of(found, *columns) == [("clean", 3, 0, 0, 3.0, 0.25), ("clean", 5, 1, 2, 5.0, 0.25)]
    both = reader.samples.projection("a", 4, "train", ["clean", PERTURBED.slug], "umap")
    assert len(both) == 4 and set(both["x"]) == {-3.0, -5.0}
    stored = reader.samples.available_projections("a")
    assert rows_of(stored, "method", "epoch", "split", "condition") == sorted(
        (m, 4, "train", c) for m in ("pca", "umap") for c in ("clean", PERTURBED.slug)
    )


def test_checkpoints(reader: StoreReader) -> None:
    found = reader.runs.checkpoints(["a"])
    assert rows_of(found, "epoch", "path", "sha256") == [
        (e, str(reader.path.parent / "checkpoints" / "a" / str(e)), f"{e:02}") for e in (0, 2, 4)
    ]
    assert len(reader.runs.checkpoints(["a", "b"])) == 4


def test_last_values_are_those_of_each_runs_last_epoch(reader: StoreReader) -> None:
    found = reader.metrics.last_values(["nc1", "angle", "ncc_accuracy"])
    assert set(rows_of(found, "run_id", "epoch")) == {("a", 4), ("b", 1)}
    own = found[found["run_id"] == "b"]
    assert set(rows_of(own, "shown", "means", "metric", "value")) == {
        ("clean", "own", "nc1", 500.0),
        ("perturbed", "own", "nc1", 500.1),
        ("perturbed", "own", "ncc_accuracy", 500.8),
        ("perturbed", "clean", "angle", 500.2),
        ("perturbed", "clean", "ncc_accuracy", 500.3),
        (L2.slug, "own", "nc1", 500.4),
    }
    test = reader.metrics.last_values(["nc1", "angle", "ncc_accuracy"], "test")
    assert set(rows_of(test[test["run_id"] == "b"], "means", "metric")) == {("own", "nc1"), ("clean", "angle")}


def set_run(path: Path, run_id: str, **values: object) -> None:
    with writing(path) as connection:
        for name, value in values.items():
            connection.execute(f"UPDATE run SET {name} = ? WHERE run_id = ?", [value, run_id])


@pytest.mark.parametrize(
    ("stored", "age", "shown"),
    [
        (RunState.RUNNING, STALE_SECONDS + 5, RunState.INTERRUPTED),
        (RunState.RUNNING, STALE_SECONDS - 30, RunState.RUNNING),
        (RunState.FINISHED, 1e6, RunState.FINISHED),
        (RunState.FAILED, 1e6, RunState.FAILED),
    ],
)
def test_a_stale_heartbeat_means_interrupted(tmp_path: Path, stored: str, age: float, shown: str) -> None:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a")
    set_run(path, "a", state=str(stored), heartbeat_at=datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age))
    assert list(StoreReader(path).runs.all()["state"]) == [shown]
    with reading(path) as connection:
        assert connection.execute("SELECT state FROM run").fetchall() == [(stored,)]


def test_a_run_becomes_interrupted_though_its_file_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rnc.duckdb"
    begin(path, "a")
    reader = StoreReader(path)
    assert list(reader.runs.all()["state"]) == ["running"]
    monkeypatch.setattr(run_queries, "STALE_SECONDS", -1.0)
    assert list(reader.runs.all()["state"]) == ["interrupted"]
    monkeypatch.setattr(run_queries, "STALE_SECONDS", 60.0)
    assert list(reader.runs.all()["state"]) == ["running"]


def test_umap_is_due_while_its_trainer_lives(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    writer = begin(path, "promised")
    begin(path, "never", umap=False)
    assert StoreReader(path).samples.training_will_add_umap("promised") and not StoreReader(
        path
    ).samples.training_will_add_umap("never")
    assert not StoreReader(store).samples.training_will_add_umap("a"), "it has landed"
    writer.end_run("promised", RunState.FINISHED, 1.0)
    assert not StoreReader(path).samples.training_will_add_umap("promised")


QUESTIONS: dict[str, Callable[[StoreReader], pd.DataFrame]] = {
    "runs": lambda r: r.runs.all(),
    "conditions": lambda r: r.runs.conditions(["a"]),
    "measured_epochs": lambda r: r.metrics.measured_epochs(["a"]),
    "value_counts_by_run": lambda r: r.metrics.value_counts_by_run(),
    "vector_epochs": lambda r: r.vectors.epochs(["a"]),
    "curves": lambda r: r.metrics.curves(["a"], ["clean"], "train", ["nc1"]),
    "against_clean": lambda r: r.metrics.against_clean_means(["a"], ["clean"], "train", ["nc1"]),
    "class_metrics": lambda r: r.metrics.class_metrics({"a": 0}, "train"),
    "leaps": lambda r: r.metrics.leaps("a", 0, "train", "clean"),
    "projection": lambda r: r.samples.projection("a", 0, "train", ["clean"], "pca"),
    "projected": lambda r: r.samples.available_projections("a"),
    "checkpoints": lambda r: r.runs.checkpoints(["a"]),
    "last_values": lambda r: r.metrics.last_values(["nc1"]),
}


MORE_QUESTIONS: dict[str, Callable[[StoreReader], pd.DataFrame]] = {
    "over_epochs": lambda r: r.metrics.over_epochs(["a"], ["clean"], "train", {"nc1": "own"}),
    "layers": lambda r: r.metrics.layers(["a"], ["clean"], "train", 9),
    "evidence": lambda r: r.metrics.evidence(["a"], ["nc1"], 9),
    "milestones": lambda r: r.metrics.milestones(["a"]),
    "means_over_epochs": lambda r: r.vectors.means_over_epochs(["a"], ["clean"], "train"),
    "sample": lambda r: r.samples.features_at_epoch("a", 0, "train", ["clean"]),
    "features": lambda r: r.samples.features("a"),
    "row_counts": lambda r: r.runs.row_counts("a"),
    "costs": lambda r: r.runs.total_costs("a"),
    "seconds_per_epoch": lambda r: r.runs.seconds_per_epoch(["a"]),
    "lab_results": lambda r: r.lab.results(),
}


@pytest.mark.parametrize("question", QUESTIONS | MORE_QUESTIONS)
def test_without_a_store_answers_have_the_columns_and_types_of_an_empty_one(tmp_path: Path, question: str) -> None:
    with writing(tmp_path / "empty.duckdb"):
        pass
    ask = (QUESTIONS | MORE_QUESTIONS)[question]
    found = ask(StoreReader(tmp_path / "none" / "rnc.duckdb"))
    pd.testing.assert_frame_equal(found, ask(StoreReader(tmp_path / "empty.duckdb")))
    assert found.attrs["sql"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_without_a_store_every_answer_is_empty(tmp_path: Path, question: str) -> None:
    reader = StoreReader(tmp_path / "none" / "rnc.duckdb")
    assert QUESTIONS[question](reader).empty
    assert not (tmp_path / "none").exists()


def test_without_a_store_there_are_no_vectors(tmp_path: Path) -> None:
    reader = StoreReader(tmp_path / "rnc.duckdb")
    assert (
        reader.vectors.class_means("a", 0, "train", "clean")[1].size == 0
        and reader.vectors.classes_and_classifier_rows("a", 0)[0].size == 0
    )


def test_no_umap_is_due_of_a_run_that_is_not_stored(store: Path, tmp_path: Path) -> None:
    assert StoreReader(tmp_path / "rnc.duckdb").samples.training_will_add_umap("a") is False
    assert StoreReader(store).samples.training_will_add_umap("gone") is False


def test_configs_of_older_stores_say_what_they_left_unsaid(tmp_path: Path) -> None:
    """Schema 1 knew neither width nor subset; labels and the choice of runs need both."""
    begin(tmp_path / "rnc.duckdb", "old")
    begin(tmp_path / "rnc.duckdb", "new", width=0.5, subset=100)
    runs = StoreReader(tmp_path / "rnc.duckdb").runs.all().set_index("run_id")
    assert runs[["width", "subset"]].to_dict("index") == {
        "old": {"width": 1.0, "subset": 0},
        "new": {"width": 0.5, "subset": 100},
    }
