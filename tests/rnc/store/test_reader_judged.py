"""Tests of queries for claims and the layers page, against rows written by hand, among them similar ones to be left out."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.conditions import CLEAN, Condition
from rnc.store.connection_per_transaction import reading
from rnc.store.queries.epochs_not_after import all_epochs_up_to_cursor
from rnc.store.queries.metrics import log_spaced_subset
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.vocabulary import PIXELS_LAYER, ConditionKind, Norm, Role
from tests.rnc.store.hand_written import L2, PERTURBED, TARGETED, add_metrics, begin

HALF = Condition(ConditionKind.PGD, Norm.LINF, 4 / 255, 10)
NOISE = Condition(ConditionKind.GAUSSIAN, Norm.LINF, 4 / 255)
OTHER_ATTACKS = [
    Condition.from_slug(slug)
    for slug in (
        "pgd-linf-4_255-10-momentum1",
        "pgd-linf-4_255-10-margin",
        "pgd-linf-4_255-10-cosine",
        "pgd-linf-4_255-10-restarts5",
        "apgd-linf-4_255-10",
        "fgsm-linf-4_255",
    )
]
RELABELLED = Condition(ConditionKind.PGD, Norm.LINF, 8 / 255, 10, relabelled=True)
CONDITIONS = [
    (Role.CLEAN, CLEAN),
    (Role.PERTURBED, PERTURBED),
    (Role.TARGETED, TARGETED),
    (Role.RELABELLED, RELABELLED),
    *((Role.EXTRA, condition) for condition in (HALF, NOISE, L2, *OTHER_ATTACKS)),
]
STAGES = ["pixels", "stage-1", "features"]


def an_epoch(run_id: str, epoch: int, *, deep: bool = True) -> Rows:
    """NC1 and the rest under every condition; layers under clean and perturbed, where asked for."""
    rows = Rows()
    for _role, condition in CONDITIONS:
        add_metrics(rows, run_id, epoch, "train", condition, {"nc1": epoch + 0.5, "nc3": epoch + 0.6})
    add_metrics(rows, run_id, epoch, "train", PERTURBED, {"angle": epoch + 0.7}, ("train", CLEAN))
    add_metrics(rows, run_id, epoch, "train", CLEAN, {"nc1": -1.0}, ("train", PERTURBED))
    add_metrics(rows, run_id, epoch, "test", PERTURBED, {"nc1": epoch + 0.8})
    for depth, layer in enumerate(STAGES):
        if deep:
            for split in ("train", "test"):
                for condition in (CLEAN, PERTURBED):
                    values = {"ncc_accuracy": depth + (0.1 if split == "train" else 0.2)}
                    add_metrics(rows, run_id, epoch, split, condition, values, ("train", CLEAN), layer)
            if layer != "features":
                add_metrics(rows, run_id, epoch, "train", CLEAN, {"nc1": 10.0 + depth}, layer=layer)
    return rows


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    """Run a, measured at 0, 2 and 4 (4 without layers), and run b at 1."""
    path = tmp_path_factory.mktemp("judged") / "rnc.duckdb"
    for run_id, epochs in {"a": (0, 2, 4), "b": (1,)}.items():
        writer = begin(path, run_id, CONDITIONS)
        writer.write_layers(run_id, [(layer, 1) for layer in STAGES])
        for epoch in epochs:
            writer.write_epoch(run_id, epoch, an_epoch(run_id, epoch, deep=epoch != 4))
    return StoreReader(path)


def only(frame: pd.DataFrame, **values: object) -> float:
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return float(frame["value"].item())


@pytest.mark.parametrize(("cursor", "epoch"), [(0, 0), (3, 2), (9, 2)])
def test_layers_are_those_of_the_last_epoch_that_has_them(reader: StoreReader, cursor: int, epoch: int) -> None:
    found = reader.metrics.layers(["a"], ["clean", "perturbed"], "train", cursor)
    assert set(found["epoch"]) == {epoch}
    nearest = found[found["metric"] == "ncc_accuracy"]
    assert sorted(zip(nearest["shown"], nearest["layer"], nearest["depth"], nearest["value"], strict=True)) == [
        (shown, layer, depth, depth + 0.1)
        for shown in ("clean", "perturbed")
        for layer, depth in (("features", 2), ("pixels", 0), ("stage-1", 1))
    ]
    variability = found[(found["metric"] == "nc1") & (found["shown"] == "clean")]
    assert dict(zip(variability["layer"], variability["value"], strict=True)) == {
        "pixels": 10.0,
        "stage-1": 11.0,
        "features": epoch + 0.5,
    }
    assert set(found["metric"]) == {"nc1", "ncc_accuracy"}


@pytest.mark.parametrize("cursor", range(12))
def test_sql_and_frames_agree_on_the_last_epoch_not_after_the_cursor(reader: StoreReader, cursor: int) -> None:
    found = reader.metrics.layers(["a", "b"], ["clean", "perturbed"], "train", cursor)
    with reading(reader.path) as connection:
        sql = "SELECT DISTINCT run_id, epoch FROM metric WHERE layer = ?"
        with_layers = connection.execute(sql, [PIXELS_LAYER]).df()
    assert not with_layers.empty
    expected = {run_id: epochs[-1] for run_id, epochs in all_epochs_up_to_cursor(with_layers, cursor).items()}
    assert dict(zip(found["run_id"], found["epoch"], strict=True)) == expected


def test_layers_are_of_the_runs_conditions_and_split_asked_for(reader: StoreReader) -> None:
    assert set(reader.metrics.layers(["a", "b"], ["clean"], "train", 9)["run_id"]) == {"a", "b"}
    assert set(reader.metrics.layers(["a"], ["perturbed"], "train", 9)["shown"]) == {"perturbed"}
    test = reader.metrics.layers(["a"], ["clean"], "test", 9)
    assert only(test, metric="ncc_accuracy", layer="stage-1") == 1.2
    assert (
        reader.metrics.layers(["c"], ["clean"], "train", 9).empty
        and reader.metrics.layers([], ["clean"], "train", 9).empty
    )


def test_evidence_is_of_the_initialisation_and_the_last_epoch(reader: StoreReader) -> None:
    found = reader.metrics.evidence(["a", "b"], ["nc1"], 9)
    assert found.groupby("run_id")["epoch"].unique().map(sorted).to_dict() == {"a": [0, 4], "b": [1]}
    assert set(reader.metrics.evidence(["a"], ["nc1"], 3)["epoch"]) == {0, 2}
    assert set(found["metric"]) == {"nc1"} and reader.metrics.evidence([], ["nc1"], 9).empty


@given(st.sets(st.integers(1, 500), min_size=1), st.integers(0, 20))
def test_epochs_between_are_measured_ones_and_few(epochs: set[int], between: int) -> None:
    chosen = log_spaced_subset(sorted(epochs), between)
    assert chosen == sorted(set(chosen)) and chosen[0] == 0 and chosen[-1] == max(epochs)
    assert set(chosen) <= epochs | {0} and len(chosen) <= between + 2


def test_evidence_has_epochs_between(reader: StoreReader) -> None:
    assert log_spaced_subset(list(range(401)), 4) == [0, 2, 10, 35, 120, 400]
    found = reader.metrics.evidence(["a", "b"], ["nc1"], 9, between=9)
    assert found.groupby("run_id")["epoch"].unique().map(sorted).to_dict() == {"a": [0, 2, 4], "b": [1]}


def test_evidence_says_around_which_means_and_of_which_layer(reader: StoreReader) -> None:
    found = reader.metrics.evidence(["a"], ["nc1", "angle", "ncc_accuracy"], 2)
    last = found[found["epoch"] == 2]
    features = {"layer": "features", "split": "train"}
    assert only(last, **features, shown="clean", metric="nc1", means="own") == 2.5
    assert only(last, **features, shown="perturbed", metric="angle", means="clean") == 2.7
    assert only(last, split="train", shown="perturbed", metric="ncc_accuracy", means="clean", depth=1) == 1.1
    assert only(last, split="test", shown="perturbed", metric="ncc_accuracy", means="train clean", depth=1) == 1.2
    assert only(last, shown="clean", metric="nc1", means="own", layer="stage-1") == 11.0
    assert (last["value"] != -1.0).all()


def test_evidence_knows_the_weaker_attacks_in_the_runs_own_norm(reader: StoreReader) -> None:
    found = reader.metrics.evidence(["a"], ["nc1"], 9)
    shares = found.drop_duplicates("shown").set_index("shown")["share"].dropna()
    assert shares.to_dict() == {"perturbed": 1.0, HALF.slug: 0.5}


@pytest.mark.parametrize(
    ("objective", "clean", "trained", "starts"),
    [
        ("st", {1: 0.9, 2: 0.9995, 3: 0.5}, {}, 2),
        ("st", {1: 0.9}, {}, None),
        ("at", {1: 1.0, 2: 1.0}, {1: 0.5, 2: 0.999}, 2),
        ("at-eval-attack", {1: 1.0}, {1: 0.5}, None),
        ("trades", {1: 1.0, 2: 0.9, 3: 1.0}, {1: 0.9, 2: 1.0, 3: 1.0}, 3),
        ("trades-released", {1: 1.0, 2: 1.0}, {2: 1.0}, 2),
    ],
)
def test_the_terminal_phase_starts_where_all_that_is_trained_on_is_fitted(
    objective: str, clean: dict[int, float], trained: dict[int, float], starts: int | None, tmp_path: Path
) -> None:
    as_trained = Condition(ConditionKind.AS_TRAINED)
    path = tmp_path / "rnc.duckdb"
    writer = begin(path, "a", [*CONDITIONS, (Role.AS_TRAINED, as_trained)], objective=objective)
    for epoch in (0, 1, 2, 3):
        rows = Rows()
        add_metrics(rows, "a", epoch, "train", PERTURBED, {"accuracy": 1.0})
        add_metrics(rows, "a", epoch, "test", CLEAN, {"accuracy": 1.0})
        add_metrics(rows, "a", epoch, "train", CLEAN, {"accuracy": clean.get(epoch, 0.0) if epoch else 1.0})
        if epoch in trained:
            add_metrics(rows, "a", epoch, "train", as_trained, {"accuracy": trained[epoch]})
        writer.write_epoch("a", epoch, rows)
    found = StoreReader(path).metrics.milestones(["a"])
    assert found.values.tolist() == ([["a", "terminal", starts]] if starts else [])


def test_the_learning_rate_drops_after_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "rnc.duckdb"
    for run_id, rates in {"a": [0.1, 0.1, 0.01, 0.01, 0.001], "b": [0.2, 0.1]}.items():
        writer, rows = begin(path, run_id), Rows()
        rows.add("epoch", run_id=run_id, epoch=list(range(1, len(rates) + 1)), learning_rate=rates)
        writer.write_epoch(run_id, 1, rows)
    assert StoreReader(path).metrics.milestones(["a"]).values.tolist() == [["a", "drop", 2], ["a", "drop", 4]]
    assert StoreReader(path).metrics.milestones(["b"]).values.tolist() == [["b", "drop", 1]]
    assert StoreReader(tmp_path / "none.duckdb").metrics.milestones(["a"]).empty
