"""Published runs answer every question as their store does, alone and beside another store, and say nothing they should not."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnc.models import weights
from rnc.store import publish_run as publish_module
from rnc.store.__main__ import main as store_main
from rnc.store.connection_per_transaction import reading, writing
from rnc.store.errors import StoreError, StoreMissingError
from rnc.store.export import main
from rnc.store.publish_run import publish
from rnc.store.published_reader import PUBLISHED_TABLES, published_run_ids, reading_beside
from rnc.store.reader import StoreReader
from rnc.store.run_card import train_command
from rnc.vocabulary import RunState
from tests.rnc.store.hand_written import begin
from tests.train.small import small
from train import named_run_sets
from train.config import RunConfig
from train.run import parse

QUESTIONS: dict[str, Callable[[StoreReader, str], pd.DataFrame]] = {
    "conditions": lambda r, run: r.runs.conditions([run]),
    "measured_epochs": lambda r, run: r.metrics.measured_epochs([run]),
    "value_counts_by_run": lambda r, run: r.metrics.value_counts_by_run().query("run_id == @run"),
    "vector_epochs": lambda r, run: r.vectors.epochs([run]),
    "curves": lambda r, run: r.metrics.curves([run], ["clean", "perturbed"], "train", ["nc1", "nc3"]),
    "against_clean": lambda r, run: r.metrics.against_clean_means(
        [run], ["perturbed"], "test", ["angle", "ncc_accuracy"]
    ),
    "class_metrics": lambda r, run: r.metrics.class_metrics({run: 0}, "train"),
    "leaps": lambda r, run: r.metrics.leaps(
        run, 0, "train", r.runs.conditions([run]).query("role == 'perturbed'").condition.iloc[0]
    ),
    "projection": lambda r, run: r.samples.projection(run, 0, "train", ["clean"], "pca"),
    "projected": lambda r, run: r.samples.available_projections(run),
    "features": lambda r, run: r.samples.features(run),
    "attack_path": lambda r, run: r.samples.features_along_attack(
        run, "train", r.runs.conditions([run]).query("role == 'perturbed'").condition.iloc[0]
    ),
    "layers": lambda r, run: r.metrics.layers([run], ["clean", "perturbed"], "train", 9),
    "evidence": lambda r, run: r.metrics.evidence([run], ["nc1", "angle"], 9),
    "last_values": lambda r, run: r.metrics.last_values(["nc1", "angle"]).query("run_id == @run"),
}


ADDED_IN_3 = {"objective", "momentum", "restarts", "schedule", "target_class", "attack_seconds", "store_seconds"}


def only_run(store: Path) -> str:
    return str(StoreReader(store).runs.all()["run_id"].item())


@pytest.fixture(scope="module")
def gallery(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, published in a folder whose name asks for trouble."""
    folder = tmp_path_factory.mktemp("it's [a] gallery?")
    publish(tiny_store, only_run(tiny_store), folder)
    return folder


@pytest.fixture(scope="module")
def beside(gallery: Path, tmp_path_factory: pytest.TempPathFactory) -> list[StoreReader]:
    """Readers of the gallery: beside no store, and beside one with a run of its own."""
    folder = tmp_path_factory.mktemp("beside")
    begin(folder / "own.duckdb", "a")
    return [StoreReader(folder / name, gallery) for name in ("none.duckdb", "own.duckdb")]


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_answer_is_the_stores(question: str, tiny_store: Path, beside: list[StoreReader]) -> None:
    """A published run gives the store's answers, beside no other store and beside one with runs of its own."""
    run_id, ask = only_run(tiny_store), QUESTIONS[question]
    expected = ask(StoreReader(tiny_store), run_id).reset_index(drop=True)
    assert not expected.empty
    for reader in beside:
        pd.testing.assert_frame_equal(ask(reader, run_id).reset_index(drop=True), expected)


def test_vectors_are_the_stores(tiny_store: Path, gallery: Path, tmp_path: Path) -> None:
    run_id = only_run(tiny_store)
    one, other = StoreReader(tiny_store), StoreReader(tmp_path / "none.duckdb", gallery)
    for vectors in (
        lambda r: r.vectors.class_means(run_id, 0, "train", "clean")[1],
        lambda r: r.vectors.classes_and_classifier_rows(run_id, 0)[1],
    ):
        assert vectors(one).size and (vectors(one) == vectors(other)).all()


def test_runs_of_both_are_told_apart(tiny_store: Path, gallery: Path, tmp_path: Path) -> None:
    begin(tmp_path / "own.duckdb", "a")
    runs = StoreReader(tmp_path / "own.duckdb", gallery).runs.all().set_index("run_id")
    assert runs["published"].to_dict() == {"a": False, only_run(tiny_store): True}
    assert not StoreReader(tiny_store).runs.all()["published"].any()


def test_a_run_that_is_in_both_is_the_stores(tiny_store: Path, gallery: Path) -> None:
    beside, alone = StoreReader(tiny_store, gallery), StoreReader(tiny_store)
    run_id = only_run(tiny_store)
    pd.testing.assert_frame_equal(beside.runs.all()[alone.runs.all().columns], alone.runs.all())
    for ask in QUESTIONS.values():
        pd.testing.assert_frame_equal(ask(beside, run_id), ask(alone, run_id))
    pd.testing.assert_frame_equal(beside.runs.checkpoints([run_id]), alone.runs.checkpoints([run_id]))


def test_the_last_network_goes_along_and_loads(tiny_store: Path, gallery: Path, tmp_path: Path) -> None:
    run_id = only_run(tiny_store)
    found = StoreReader(tmp_path / "none.duckdb", gallery).runs.checkpoints([run_id])
    assert found["epoch"].tolist() == [StoreReader(tiny_store).runs.checkpoints([run_id])["epoch"].max()]
    assert Path(found["path"].item()).is_relative_to(gallery)
    weights.load(Path(found["path"].item()), found["sha256"].item())


def test_a_large_network_stays_behind(tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_module, "_LARGEST_NETWORK", 1_000)
    run_id = only_run(tiny_store)
    folder = publish(tiny_store, run_id, tmp_path)
    assert not list(folder.glob("*.safetensors"))
    assert StoreReader(tmp_path / "none.duckdb", tmp_path).runs.checkpoints([run_id]).empty


def test_the_machine_is_not_named(own_tiny_store: Path, tmp_path: Path) -> None:
    with writing(own_tiny_store) as connection:
        connection.execute("UPDATE run SET host = 'my-laptop-7'")
    folder = publish(own_tiny_store, only_run(own_tiny_store), tmp_path / "gallery")
    assert StoreReader(tmp_path / "none.duckdb", tmp_path / "gallery").runs.all()["host"].isna().all()
    assert not any(b"my-laptop-7" in file.read_bytes() for file in folder.iterdir())


def test_publishing_twice_leaves_the_same_files(own_tiny_store: Path, tmp_path: Path) -> None:
    run_id = only_run(own_tiny_store)
    first = {file.name: file.read_bytes() for file in publish(own_tiny_store, run_id, tmp_path / "one").iterdir()}
    publish(own_tiny_store, run_id, tmp_path / "two")
    second = {file.name: file.read_bytes() for file in publish(own_tiny_store, run_id, tmp_path / "two").iterdir()}
    assert first == second and [path.name for path in (tmp_path / "two").iterdir()] == [run_id]


def test_a_damaged_network_is_refused_and_the_older_copy_stays(own_tiny_store: Path, tmp_path: Path) -> None:
    run_id = only_run(own_tiny_store)
    publish(own_tiny_store, run_id, tmp_path / "gallery")
    for network in own_tiny_store.parent.glob("checkpoints/*/*.safetensors"):
        network.write_bytes(network.read_bytes()[:-1])
    with pytest.raises(StoreError, match="missing or damaged"):
        publish(own_tiny_store, run_id, tmp_path / "gallery")
    assert published_run_ids(tmp_path / "gallery") == [run_id]
    assert [path.name for path in (tmp_path / "gallery").iterdir()] == [run_id]


def test_a_run_under_way_is_refused(tmp_path: Path) -> None:
    begin(tmp_path / "rnc.duckdb", "a")
    with pytest.raises(StoreError, match="not a finished run"):
        publish(tmp_path / "rnc.duckdb", "a", tmp_path / "gallery")
    assert not (tmp_path / "gallery").exists()


def test_another_schema_is_named(tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = only_run(tiny_store)
    with monkeypatch.context() as patched:
        patched.setattr(publish_module, "SCHEMA_VERSION", 1)
        publish(tiny_store, run_id, tmp_path / "gallery")
    with pytest.raises(StoreMissingError), reading_beside(tmp_path / "none.duckdb", tmp_path / "gallery", frozenset()):
        pass
    left_out = StoreReader(tmp_path / "none.duckdb", tmp_path / "gallery").left_out()
    assert re.search(r"published under schema version '1'.*publish it again", left_out[run_id])


def test_every_table_is_the_stores(tiny_store: Path, gallery: Path) -> None:
    """But for the host's name, which is left out, and for the networks before the last one."""
    run_id, told = only_run(tiny_store), 0
    with reading(tiny_store, gallery.resolve()) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database()"
            ).fetchall()
        ]
        assert set(tables) - set(PUBLISHED_TABLES) <= {"schema_version", "lab_result"}
        for table in PUBLISHED_TABLES:
            sent = connection.execute(f"SELECT * FROM {table} ORDER BY ALL").df()
            file = str(gallery / run_id / f"{table}.parquet")
            arrived = connection.execute("SELECT * FROM read_parquet(?) ORDER BY ALL", [file]).df()
            if table == "run":
                sent, arrived = sent.drop(columns="host"), arrived.drop(columns="host")
            if table == "checkpoint":
                last = sent[sent["epoch"] == sent["epoch"].max()]
                assert arrived["sha256"].tolist() == last["sha256"].tolist() and len(arrived) == 1
                continue
            pd.testing.assert_frame_equal(arrived, sent)
            told += len(sent)
    assert told > 1000


def test_a_folder_is_a_store(tiny_store: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RNC_STORE=folder: its runs, and no others, not even the gallery's; nothing can be written there."""
    reader, run_id = StoreReader(gallery, gallery.parent), only_run(tiny_store)
    assert reader.runs.all()["run_id"].tolist() == [run_id] and reader.runs.all()["published"].all()
    assert Path(reader.runs.checkpoints([run_id])["path"].item()).exists()
    assert store_main([str(gallery), "--upgrade"]) == 0
    with pytest.raises(StoreError, match="is a folder"), writing(gallery):
        pass


def test_publishing_that_is_broken_off_leaves_the_older_copy(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = only_run(tiny_store)
    publish(tiny_store, run_id, tmp_path)
    before = {file.name: file.read_bytes() for file in (tmp_path / run_id).iterdir()}
    rename = Path.rename

    def renamed(self: Path, to: Path) -> Path:
        if self.name.endswith(".partial"):
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(KeyboardInterrupt):
        publish(tiny_store, run_id, tmp_path)
    assert {file.name: file.read_bytes() for file in (tmp_path / run_id).iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == [run_id]


def test_a_run_that_is_added_is_seen(tiny_store: Path, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    reader = StoreReader(tmp_path / "none.duckdb", tmp_path / "gallery")
    assert reader.runs.all().empty
    publish(tiny_store, only_run(tiny_store), tmp_path / "gallery")
    assert len(reader.runs.all()) == 1
    shutil.rmtree(tmp_path / "gallery")
    assert reader.runs.all().empty


def test_the_command_line_takes_patterns_and_says_what_is_wrong(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["digits-*", "--to", str(tmp_path), "--store", str(tiny_store)]) == 0
    assert published_run_ids(tmp_path) == [only_run(tiny_store)]
    assert main(["mnist-*", "--to", str(tmp_path), "--store", str(tiny_store)]) == 2
    assert "no run mnist-*" in capsys.readouterr().err
    assert main(["*", "--to", str(tmp_path), "--store", str(tmp_path / "none.duckdb")]) == 2


@pytest.mark.parametrize(
    "config",
    [
        *named_run_sets.find("cifar10-cpu-*"),
        *named_run_sets.find("cifar100-vgg11_bn-*-l2-s1"),
        small(umap=False, lr_drops=(), extra_conditions=("pgd-l2-0.5-10", "gaussian-linf-0.1")),
    ],
    ids=lambda config: config.run_id,
)
def test_the_command_of_a_card_makes_the_same_run(config: RunConfig) -> None:
    command = train_command(json.loads(json.dumps(config.to_json())))
    [again] = parse(command.split()[3:])
    assert again.config.to_json() == config.to_json() and again.config.run_id == config.run_id


def test_the_card_holds_the_command(tiny_store: Path, gallery: Path) -> None:
    card = (gallery / only_run(tiny_store) / "README.md").read_text()
    command = re.search(r"^python -m train\.run (.*)$", card, re.MULTILINE)
    assert command and parse(command[1].split())[0].config.run_id == only_run(tiny_store)
    with reading(tiny_store) as connection:
        device = connection.execute("SELECT device FROM run").fetchone()
        accuracy = connection.execute(
            """SELECT value FROM metric WHERE metric = 'accuracy' AND split = 'test' AND condition = 'clean'
               AND layer = 'features' AND means_split = split AND means_condition = condition ORDER BY epoch DESC LIMIT 1"""
        ).fetchone()
    assert device and device[0] in card and str(RunState.FINISHED) in card
    heads, row = (
        next(line for line in card.splitlines() if line.startswith(f"| {name} |")).split(" | ")
        for name in ("at the last epoch", "accuracy")
    )
    assert accuracy and float(row[heads.index("clean, test")]) == pytest.approx(accuracy[0], rel=1e-3)


def test_a_run_of_the_schema_before_is_read_beside_one_of_this(tiny_store: Path, tmp_path: Path) -> None:
    run_id, folder = only_run(tiny_store), tmp_path / "gallery"
    older = publish(tiny_store, run_id, folder).rename(folder / "older")
    (older / "run_mark.parquet").unlink()  # (of schema 4)
    (older / "attack_path.parquet").unlink()  # (of schema 5)
    for path in older.glob("*.parquet"):
        rows = pq.read_table(path)
        rows = rows.drop_columns([name for name in rows.column_names if name in ADDED_IN_3])
        if "run_id" in rows.column_names:
            rows = rows.set_column(rows.column_names.index("run_id"), "run_id", pa.array(["older"] * len(rows)))
        if path.stem == "checkpoint":
            paths = [recorded.replace(run_id, "older") for recorded in rows["path"].to_pylist()]
            rows = rows.set_column(rows.column_names.index("path"), "path", pa.array(paths))
        pq.write_table(rows.replace_schema_metadata({"schema_version": "2"}), path)
    publish(tiny_store, run_id, folder)
    reader = StoreReader(tmp_path / "none.duckdb", folder)
    assert set(reader.runs.all()["run_id"]) == {"older", run_id}
    per_run = reader.runs.conditions(["older", run_id]).groupby("run_id")["condition"].agg(sorted)
    assert per_run["older"] == per_run[run_id]
    (attack,) = reader.runs.conditions([run_id]).query("role == 'perturbed'")["condition"]
    assert reader.samples.features_along_attack("older", "train", attack).empty
    assert not reader.samples.features_along_attack(run_id, "train", attack).empty


def test_what_killed_exports_left_is_taken_up_by_the_next_and_nothing_else(tiny_store: Path, tmp_path: Path) -> None:
    """Half a folder is removed, an older copy that had made way comes back; what an export did not make stays."""
    run_id, folder = only_run(tiny_store), tmp_path / "gallery"
    shutil.copytree(publish(tiny_store, run_id, folder), folder / ".gone.older")
    for half in (f".{run_id}.partial", ".else.partial"):
        shutil.copytree(folder / run_id, folder / half)
        (folder / half / "run.parquet").unlink()
    shutil.copytree(folder / run_id, folder / f".{run_id}.older")
    others = [".mine.partial", ".empty.partial", ".run.older", ".file.partial"]
    for name in others[:3]:
        (folder / name).mkdir()
    (folder / ".mine.partial" / "thesis.txt").write_text("mine")
    (folder / ".run.older" / "metric.parquet").write_text("not a whole run")
    (folder / ".file.partial").write_text("mine")
    (folder / ".link.older").symlink_to(folder / run_id)
    publish(tiny_store, run_id, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([run_id, "gone", ".link.older", *others])
    assert (folder / "gone" / "run.parquet").exists() and (folder / ".mine.partial" / "thesis.txt").exists()


def test_an_export_under_way_is_left_alone(tiny_store: Path, tmp_path: Path) -> None:
    run_id = only_run(tiny_store)
    for name in ("other", run_id):
        half = tmp_path / f".{name}.partial"
        half.mkdir()
        (half / "metric.parquet").write_text("half")
        writer = os.open(half, os.O_RDONLY)
        fcntl.flock(writer, fcntl.LOCK_EX)  # (as an export in another process does)
        if name == "other":
            publish(tiny_store, run_id, tmp_path)
        else:
            with pytest.raises(StoreError, match="another process that exports this run"):
                publish(tiny_store, run_id, tmp_path)
        os.close(writer)
        assert (half / "metric.parquet").read_text() == "half"
