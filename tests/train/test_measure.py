"""`train.measure`: files of epochs become curves, a broken-off measurement goes on, what is stored makes itself again."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from rnc import datasets, models
from rnc.models import weights
from rnc.probe import measure_external_run
from rnc.probe.given_checkpoints import checkpoint_files
from rnc.store.connection_per_transaction import reading
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.store.run_card import train_command
from rnc.vocabulary import Metric, Objective, Split
from tests.train.malformed.network import CLASSES, MODEL, SIDE, small, write_images
from tests.train.small import FLAGS, ask
from train import measure
from train.config import RunConfig
from train.measure import main
from train.run import main as train

FEW = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--sample-size", "6", "--threads", "1"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """Weights of three epochs in a folder, and images of three classes with a test part."""
    (tmp_path / "weights").mkdir()
    for number, epoch in enumerate((2, 10, 0)):
        torch.manual_seed(number)
        state = {f"module.{name}": tensor for name, tensor in small().state_dict().items()}
        torch.save({"state_dict": state}, tmp_path / "weights" / f"net_epoch{epoch}.pt")
    write_images(tmp_path / "images" / "train", each=4)
    write_images(tmp_path / "images" / "test", each=2)
    return tmp_path


@pytest.fixture
def one_epoch(brought: Path) -> Path:
    """The same with epoch 10 alone, for tests of what does not depend on the number of epochs."""
    for epoch in (0, 2):
        (brought / "weights" / f"net_epoch{epoch}.pt").unlink()
    return brought


def command(brought: Path, *more: str, store: str = "store") -> list[str]:
    given = ["--checkpoint", str(brought / "weights"), "--data", str(brought / "images"), "--model", MODEL]
    return [*given, *FEW, *more, "--store", str(brought / store / "rnc.duckdb")]


def only(brought: Path, store: str = "store") -> tuple[StoreReader, pd.Series]:
    reader = StoreReader(brought / store / "rnc.duckdb")
    return reader, reader.runs.all().iloc[0]


def test_a_folder_of_epochs_becomes_a_curve(brought: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(brought)) == 0
    said = capsys.readouterr().out
    assert said.index("epoch 0") < said.index("epoch 2") < said.index("epoch 10")
    assert "used the weights under 'state_dict'; removed 'module.' from every name" in said
    reader, run = only(brought)
    curves = reader.metrics.curves([run.run_id], ["clean"], "train", [Metric.LOSS])
    assert curves["epoch"].tolist() == [0, 2, 10]
    images = datasets.load(run["images_from"], Split.TRAIN)
    for epoch, seed in ((0, 2), (2, 0), (10, 1)):
        torch.manual_seed(seed)
        loss = torch.nn.functional.cross_entropy(small()(images.pixels()), images.labels)
        assert curves.set_index("epoch")["value"][epoch] == pytest.approx(loss.item(), rel=1e-5)
    assert reader.runs.checkpoints([run.run_id])["epoch"].tolist() == [0, 2, 10]
    assert set(reader.samples.available_projections(run.run_id)["epoch"]) == {0, 2, 10}
    assert set(reader.metrics.layers([run.run_id], ["clean"], "test", 99)["layer"]) == {"pixels", "1", "features"}


@pytest.mark.slow
def test_rows_are_those_of_a_trained_run(brought: Path, tmp_path: Path) -> None:
    """The same network measured by the trainer and brought along: every number but those of training is the same."""
    trained = tmp_path / "trained" / "rnc.duckdb"
    flags = [*FLAGS[2:], "--measure-subset", "200"]
    assert train([*FLAGS[:2], *flags, "--store", str(trained)]) == 0
    reader = StoreReader(trained)
    kept = reader.runs.checkpoints([reader.runs.all()["run_id"].item()])
    store = tmp_path / "again" / "rnc.duckdb"
    given = ["--dataset", "digits", "--model", "small_cnn", "--checkpoint", *kept["path"], "--store", str(store)]
    assert main([*given, *flags]) == 0
    tables = (
        "metric",
        "class_metric",
        "class_mean",
        "classifier",
        "feature",
        "attack_path",
        "leap",
        "projection",
        "layer",
    )
    for table in tables:
        columns = "* EXCLUDE (run_id)"
        first, second = (ask(path, f"SELECT {columns} FROM {table} ORDER BY ALL") for path in (trained, store))
        assert len(first) == len(second) > 0, table
        assert _numbers(first) == pytest.approx(_numbers(second), rel=1e-6, abs=1e-7, nan_ok=True), table
        assert _texts(first) == _texts(second)
    assert ask(store, "SELECT count(*) FROM epoch") == [(0,)]


def _numbers(rows: list[tuple]) -> list[float]:
    flat = [value for row in rows for value in row]
    flat = [number for value in flat for number in (value if isinstance(value, list) else [value])]
    return [value for value in flat if isinstance(value, int | float)]


def _texts(rows: list[tuple]) -> list[str]:
    return [value for row in rows for value in row if isinstance(value, str)]


def test_a_stored_run_is_refused_and_overwritten_on_request(
    one_epoch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(one_epoch)) == 0
    _reader, run = only(one_epoch)
    capsys.readouterr()
    assert main(command(one_epoch)) == 2
    assert "already in" in capsys.readouterr().err
    assert main(command(one_epoch, "--overwrite")) == 0
    assert only(one_epoch)[0].runs.all()["run_id"].tolist() == [run.run_id]
    assert only(one_epoch)[1]["started_at"] > run["started_at"]


def test_a_measurement_that_was_broken_off_goes_on(brought: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(command(brought, store="whole")) == 0
    load, seen = measure_external_run.load_weights, []

    def broken(model: models.FeatureClassifier, path: Path, images: datasets.ImageSet, key: str) -> list[str]:
        seen.append(path.name)
        if seen.count("net_epoch10.pt") == 1 and seen.count("net_epoch2.pt") == 1:
            raise KeyboardInterrupt
        return load(model, path, images, key)

    monkeypatch.setattr(measure_external_run, "load_weights", broken)
    assert main(command(brought)) == 130
    assert only(brought)[1]["state"] == "interrupted"
    monkeypatch.setattr(measure_external_run, "load_weights", load)
    assert main(command(brought)) == 0
    assert seen == ["net_epoch0.pt", "net_epoch2.pt", "net_epoch10.pt"], "before it went on"
    stores = [brought / name / "rnc.duckdb" for name in ("whole", "store")]
    for table in ("metric", "feature", "attack_path", "projection", "checkpoint", "leap"):
        whole, two_parts = (ask(store, f"SELECT * FROM {table} ORDER BY ALL") for store in stores)
        assert whole == two_parts, table


def test_a_failed_measurement_is_recorded_and_logged_like_a_failed_training(
    brought: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, seen = measure_external_run.load_weights, []

    def broken(model: models.FeatureClassifier, path: Path, images: datasets.ImageSet, key: str) -> list[str]:
        seen.append(path.name)
        if seen[-1] == "net_epoch2.pt":
            raise ValueError("the disk is gone")
        return load(model, path, images, key)

    monkeypatch.setattr(measure_external_run, "load_weights", broken)
    assert main(command(brought)) == 2
    run_id = only(brought)[1]["run_id"]
    assert ask(brought / "store" / "rnc.duckdb", "SELECT state, error, epochs_done FROM run") == [
        ("failed", "ValueError: the disk is gone", 0)
    ]
    started, failed = logged_states(brought, run_id)
    assert (started["event"], started["level"], started["epoch"]) == ("run started", "info", 0)
    assert (failed["event"], failed["level"], failed["epoch"]) == ("run failed", "error", 0)
    assert failed["reason"] == "ValueError: the disk is gone" and started["device"].startswith("cpu")

    monkeypatch.setattr(measure_external_run, "load_weights", load)
    assert main(command(brought)) == 0
    assert [line["event"] for line in logged_states(brought, run_id)[2:]] == ["run resumed", "run finished"]


def logged_states(brought: Path, run_id: str) -> list[dict]:
    """The lines of the log on the states of a run."""
    lines = [json.loads(line) for line in (brought / "store" / "rnc.log").read_text().splitlines()]
    return [line for line in lines if line.get("run") == run_id and line["event"].startswith("run ")]


def test_the_command_of_a_stored_run_makes_the_same_run(brought: Path) -> None:
    more = [
        "--name",
        "mine",
        "--mean",
        "0.5",
        "--std",
        "0.2",
        "0.3",
        "0.25",
        "--stages",
        "1",
        "--epochs",
        "3",
        "1",
        "2",
    ]
    assert main(command(brought, *more, "--extra-conditions", "pgd-l2-0.5-1")) == 0
    _reader, run = only(brought)
    words = shlex.split(train_command(json.loads(run["config"])))
    assert words[:3] == ["python", "-m", "train.measure"]
    assert main([*words[3:], "--store", str(brought / "again" / "rnc.duckdb")]) == 0
    assert only(brought, "again")[1]["run_id"] == run["run_id"] and run["run_id"].startswith("mine-own-linf-s0-")


def test_the_key_is_of_what_is_measured_wherever_it_lies(one_epoch: Path, tmp_path: Path) -> None:
    assert main(command(one_epoch)) == 0
    (tmp_path / "moved").mkdir()
    for name in ("weights", "images"):
        (one_epoch / name).rename(tmp_path / "moved" / name)
    assert main(command(tmp_path / "moved", store="again")) == 0
    assert only(one_epoch)[1]["run_id"] == only(tmp_path / "moved", "again")[1]["run_id"]
    torch.manual_seed(7)
    torch.save(small().state_dict(), tmp_path / "moved" / "weights" / "net_epoch10.pt")
    assert main(command(tmp_path / "moved", store="other")) == 0
    assert only(one_epoch)[1]["run_id"] != only(tmp_path / "moved", "other")[1]["run_id"]


def test_published_it_says_nothing_of_folders(one_epoch: Path, tmp_path: Path) -> None:
    assert main(command(one_epoch)) == 0
    _reader, run = only(one_epoch)
    folder = publish(one_epoch / "store" / "rnc.duckdb", run["run_id"], tmp_path / "gallery")
    for file in folder.iterdir():
        assert str(one_epoch).encode() not in file.read_bytes(), file.name
    card = (folder / "README.md").read_text()
    assert "Measured by" in card and "--checkpoint weights --data images" in card
    beside = StoreReader(tmp_path / "none.duckdb", tmp_path / "gallery")
    assert beside.runs.all()["published"].item() and list(beside.runs.all()["classes"].item()) == list(CLASSES)
    with pytest.raises(datasets.DatasetError, match="a published run, which comes without the images of its author"):
        datasets.load(beside.runs.all()["images_from"].item(), Split.TRAIN)


def test_own_and_trained_runs_stand_in_one_store(one_epoch: Path) -> None:
    few = ["--subset", "100", "--measure-subset", "40", "--epsilon-fractions"]
    assert train([*FLAGS, *few, "--store", str(one_epoch / "store" / "rnc.duckdb")]) == 0
    assert main(command(one_epoch)) == 0
    runs = StoreReader(one_epoch / "store" / "rnc.duckdb").runs.all().set_index("objective")
    assert runs.loc["st", "images_from"] == "digits" and runs.loc["own", "images_from"].startswith("own:")
    with reading(one_epoch / "store" / "rnc.duckdb") as connection:
        view = connection.execute("SELECT DISTINCT objective, seed FROM measurement ORDER BY ALL").fetchall()
    assert view == [("own", 0), ("st", 1)]


def test_weights_of_a_run_of_this_house_are_those_of_its_file(brought: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = models.build("small_cnn", datasets.DatasetSpec("x", CLASSES, (3, SIDE, SIDE), (0.5,) * 3, (0.5,) * 3))
    save_file(net.state_dict(), tmp_path / "a.safetensors")
    given = ["--checkpoint", str(tmp_path / "a.safetensors"), "--model", "small_cnn", "--mean", "0.5", "--std", "0.5"]
    rest = ["--data", str(brought / "images"), *FEW, "--store", str(tmp_path / "s" / "rnc.duckdb")]
    assert main([*given, *rest]) == 0
    kept = only(tmp_path, "s")[0].runs.checkpoints([only(tmp_path, "s")[1].run_id]).iloc[0]
    images = torch.rand(2, 3, SIDE, SIDE)
    torch.testing.assert_close(weights.load(Path(kept["path"]), kept["sha256"])(images), net.eval()(images))


def test_checkpoints_must_be_named() -> None:
    with pytest.raises(ValueError, match="name the checkpoints"):
        checkpoint_files((), skip_files_without_epoch=True)


def test_nobody_trains_by_the_objective_own() -> None:
    with pytest.raises(ValueError, match=r"train\.measure measures a network of your own"):
        RunConfig(objective=Objective.OWN)


def test_pixels_are_normalised_as_asked(one_epoch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_MODELS", MODEL.partition(":")[0])
    assert main(command(one_epoch, "--mean", "0.5", "--std", "0.25")) == 0
    reader, run = only(one_epoch)
    kept = reader.runs.checkpoints([run.run_id]).iloc[0]
    net, images = weights.load(Path(kept["path"]), kept["sha256"]), torch.rand(2, 3, SIDE, SIDE)
    torch.manual_seed(1)
    torch.testing.assert_close(net(images), small()((images - 0.5) / 0.25))
    assert np.array_equal(net.mean.flatten().numpy(), np.float32([0.5] * 3))


def test_a_name_that_no_folder_can_have_is_refused_before_anything_is_loaded(
    brought: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*_arguments: object) -> None:
        pytest.fail("weights were loaded")

    monkeypatch.setattr(measure, "load_weights", load)
    for name in (["--dataset", "d" * 190], ["--name", "../x"]):
        assert main(command(brought, *name)) == 2
        assert "name" in capsys.readouterr().err and not (brought / "store").exists()
