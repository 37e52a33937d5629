"""Made-up runs: the rows of real ones, the same at every call, in a store of their own, and said to be made up."""

from itertools import islice
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from rnc.claims import USED, Verdict, judge_each_claim
from rnc.store.errors import StoreError
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.vocabulary import TRAINED, Metric, Role
from tests.benchmarks.synthetic.runs import configs, main, run_key
from tests.train.small import ask
from train.named_run_sets import cpu_runs

GALLERY = Path(__file__).parents[2] / "data" / "gallery"
EPOCHS = 5
TABLES = (
    *("run_condition", "layer", "epoch", "metric", "class_metric"),
    *("class_mean", "classifier", "feature", "projection", "leap"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: st, at, at-eval-attack."""
    path = tmp_path_factory.mktemp("synthetic") / "rnc.duckdb"
    assert main(["3", "--epochs", str(EPOCHS), "--store", str(path)]) == 0
    return path


@pytest.fixture
def reader(store: Path) -> StoreReader:
    return StoreReader(store)


def run_of(reader: StoreReader, objective: str) -> str:
    return str(reader.runs.all().set_index("objective").loc[objective, "run_id"])


def keys(frame: pd.DataFrame) -> set[tuple]:
    """The rows but for run, epoch, value and what the classes' samples decide; conditions by role."""
    left = frame.drop(columns=[c for c in ("run_id", "epoch", "value", "class") if c in frame])
    return set(left.drop_duplicates().itertuples(index=False, name=None))


@pytest.mark.parametrize("table", ["metric", "class_metric"])
@pytest.mark.parametrize("objective", ["st", "at"])
def test_the_rows_are_those_of_a_trained_run(objective: str, table: str, store: Path, reader: StoreReader) -> None:
    """At the last epoch, where everything is measured; the trained one is in the gallery and has the same network."""
    sql = """SELECT m.* REPLACE (x.role AS condition, y.role AS means_condition) FROM {table} m
             JOIN {roles} x ON x.run_id = m.run_id AND x.condition = m.condition
             JOIN {roles} y ON y.run_id = m.run_id AND y.condition = m.means_condition
             WHERE m.run_id = '{run}' AND epoch = {epoch}"""
    config = cpu_runs()[f"cifar10-cpu-{objective}"]()
    files = {name: f"'{GALLERY / config.run_id / name}.parquet'" for name in (table, "run_condition")}
    trained = duckdb.sql(
        sql.format(table=files[table], roles=files["run_condition"], run=config.run_id, epoch=config.epochs)
    ).df()
    asked = sql.format(table=table, roles="run_condition", run=run_of(reader, objective), epoch=EPOCHS)
    with duckdb.connect(str(store), read_only=True) as connection:
        made_up = connection.execute(asked).df()
    assert keys(made_up) == keys(trained) and trained["condition"].nunique() >= 7


def test_every_table_that_pages_read_has_rows(store: Path) -> None:
    for table in TABLES:
        ((runs,),) = ask(store, f"SELECT count(DISTINCT run_id) FROM {table}")
        assert runs == 3, table
    assert ask(store, "SELECT count(DISTINCT epoch) FROM metric") == [(EPOCHS + 1,)]
    assert ask(store, "SELECT count(*) FROM metric WHERE value IS NULL OR isnan(value) OR isinf(value)") == [(0,)]
    assert ask(store, "SELECT count(*) FROM checkpoint") == [(0,)]


@pytest.mark.parametrize("objective", ["st", "at"])
def test_every_named_question_has_an_answer(objective: str, reader: StoreReader) -> None:
    run, roles = run_of(reader, objective), [str(Role.CLEAN), str(Role.PERTURBED)]
    pgd = reader.runs.conditions([run]).set_index("shown")["condition"]["perturbed"]
    answers = {
        "measured": reader.metrics.measured_epochs([run]),
        "curves": reader.metrics.curves([run], roles, "train", [Metric.NC1]),
        "against clean": reader.metrics.against_clean_means(
            [run], ["perturbed"], "test", [Metric.NCC_ACCURACY], "train"
        ),
        "class metrics": reader.metrics.class_metrics({run: EPOCHS}, "train"),
        "leaps": reader.metrics.leaps(run, EPOCHS, "train", pgd),
        "pca": reader.samples.projection(run, EPOCHS, "test", ["clean", pgd], "pca"),
        "umap": reader.samples.projection(run, EPOCHS, "train", ["clean", pgd], "umap"),
        "sample": reader.samples.features_at_epoch(run, EPOCHS, "train", ["clean"]),
        "features": reader.samples.features(run),
        "last": reader.metrics.last_values([Metric.NC1]),
        "layers": reader.metrics.layers([run], roles, "train", EPOCHS),
        "evidence": reader.metrics.evidence([run], list(USED), EPOCHS),
        "milestones": reader.metrics.milestones([run]),
    }
    assert {name for name, answer in answers.items() if answer.empty} == set()
    assert set(reader.vectors.epochs([run])["epoch"]) == {0, 1, 2, EPOCHS}
    assert (
        reader.vectors.class_means(run, EPOCHS, "train", pgd)[1].shape
        == reader.vectors.classes_and_classifier_rows(run, EPOCHS)[1].shape
        == (10, 16)
    )
    assert not reader.samples.training_will_add_umap(run)


def test_claims_can_be_judged(reader: StoreReader) -> None:
    runs = reader.runs.all()
    judged = judge_each_claim(runs, reader.metrics.evidence(list(runs["run_id"]), list(USED), EPOCHS))
    verdicts = {judgement.claim: judgement.verdict for judgement in judged}
    assert verdicts["C1"] is Verdict.SUPPORTED
    assert [claim for claim, verdict in verdicts.items() if verdict is Verdict.NOT_MEASURED] == ["C9", "C9 released"]


def test_every_run_says_that_it_is_made_up(reader: StoreReader, tiny_store: Path) -> None:
    runs = reader.runs.all()
    assert runs["synthetic"].all() and (runs["state"] == "finished").all()
    assert not StoreReader(tiny_store).runs.all()["synthetic"].any()
    assert set(runs["run_id"]) == {run_key(config) for config in islice(configs(EPOCHS), 3)}


def test_the_runs_are_settings_with_every_objective_and_three_seeds() -> None:
    first = list(islice(configs(400), 15))
    assert {(c.objective, c.seed) for c in first} == {(o, s) for o in TRAINED for s in (1, 2, 3)}
    assert len({(c.dataset, c.model, c.norm) for c in first}) == 1
    assert len({c.run_id for c in islice(configs(400), 320)}) == 320


def test_the_same_runs_come_again_and_are_not_made_twice(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "rnc.duckdb"
    for count, said in (("1", "1 synthetic runs"), ("3", "2 synthetic runs of 5 epochs made up, 1 were there already")):
        assert main([count, "--epochs", str(EPOCHS), "--store", str(other)]) == 0
        assert said in capsys.readouterr().out
    for table in TABLES:
        columns = "* EXCLUDE (store_seconds)" if table == "epoch" else "*"  # (measured, not made up)
        rows = f"SELECT {columns} FROM {table} ORDER BY ALL"
        assert ask(store, rows) == ask(other, rows), table


def test_a_store_of_trained_runs_is_refused(own_tiny_store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = own_tiny_store.read_bytes()
    assert main(["3", "--epochs", "5", "--store", str(own_tiny_store)]) == 2
    assert "holds 1 trained runs, such as digits-small_cnn-st" in capsys.readouterr().err
    assert own_tiny_store.read_bytes() == before


@pytest.mark.parametrize("wrong", [["0"], ["3", "--epochs", "0"]])
def test_impossible_numbers_are_refused(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*wrong, "--store", str(tmp_path / "new" / "rnc.duckdb")]) == 2
    assert "at least 1" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_made_up_numbers_are_not_published(store: Path, reader: StoreReader, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="synthetic: its numbers are made up"):
        publish(store, run_of(reader, "st"), tmp_path)
    assert list(tmp_path.iterdir()) == []
