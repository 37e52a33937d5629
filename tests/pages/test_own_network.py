"""A torchvision ResNet-18 and a folder of 200 images go through `train.measure`, and the run is on every page."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from rnc import datasets
from rnc.lab.attack import AttackResult
from rnc.models import weights
from rnc.store.reader import StoreReader
from rnc.vocabulary import METRIC_INFO, Metric, Split
from tests.pages.app import ROOT, answered, charts, open_page, rows

pytestmark = pytest.mark.slow  # the one measurement through the command that ends with a real UMAP
CLASSES = ("ant", "bee", "cow", "dog", "elk")
STAGES = ["pixels", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "features"]
OPTIONS = [
    "--steps",
    "2",
    "--epsilon-fractions",
    "0.5",
    "--threads",
    "1",
    "--sample-size",
    "100",
    "--name",
    "my-resnet",
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a network with random weights and 200 images of one's own, measured by the command."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "images" / name).mkdir(parents=True)
        colour = rng.integers(256, size=3)
        for number in range(40):
            pixels = np.clip(colour + rng.normal(0, 60, size=(32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    torch.manual_seed(0)
    torch.save(models.resnet18(num_classes=5).state_dict(), folder / "epoch_3.pth")
    store = folder / "store" / "rnc.duckdb"
    given = ["--checkpoint", folder / "epoch_3.pth", "--model", "torchvision:resnet18", "--data", folder / "images"]
    command = [sys.executable, "-m", "train.measure", *map(str, given), *OPTIONS, "--store", str(store)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return store


@pytest.fixture
def run_id(measured: Path) -> str:
    """The key of the one run."""
    return str(StoreReader(measured).runs.all()["run_id"].item())


def test_its_rows_are_those_of_a_finished_run(measured: Path, run_id: str) -> None:
    reader = StoreReader(measured)
    run = reader.runs.all().iloc[0]
    assert run_id.startswith("my-resnet-own-linf-s0-") and run["state"] == "finished"
    assert (run["objective"], run["epochs"], run["epochs_done"], list(run["classes"])) == ("own", 3, 3, list(CLASSES))
    assert json.loads(run["data"])["train"]["images"] == 200
    roles = set(reader.runs.conditions([run_id])["role"])
    assert roles == {"clean", "perturbed", "relabelled", "targeted", "gaussian", "sign_noise", "extra"}
    assert set(reader.samples.available_projections(run_id)["method"]) == {"pca", "umap"}
    assert reader.runs.checkpoints([run_id])["epoch"].tolist() == [3]


def test_findings_show_it_and_judge_nothing(measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", measured, monkeypatch)
    matrix = app.table[0].value
    assert app.sidebar.multiselect(key="runs").value == [run_id]
    assert list(matrix) == ["my-resnet"] and set(matrix["my-resnet"]) == {"training unknown"}, (
        "how it was trained, nobody knows"
    )
    assert "No claim is tested on my" in app.info[0].value


def test_curves_show_it(measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", measured, monkeypatch)
    for metric in (Metric.NC1, Metric.NC3, Metric.ACCURACY):
        found = rows(app, f"{METRIC_INFO[metric].label} over epochs", "run_id", "shown", "epoch", "value")
        assert set(found["run_id"]) == {run_id} and set(found["epoch"]) == {3}
    assert set(found["shown"]) == {"clean", "perturbed"}


def test_geometry_shows_it(measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("geometry", measured, monkeypatch)
    (label,) = set(rows(app, "clean-to-perturbed angle per class", "run", "class")["run"])
    assert app.caption[0].value == f"{label} · epoch 3 · training images" and app.caption[0].proto.help == run_id
    assert len(charts(app)["cosines of centred class means, perturbed"]["rows"][0]) == 25
    assert set(rows(app, "clean-to-perturbed angle per class", "run_id", "class")["class"]) == set(CLASSES)
    assert {"cosines of classifier and means", "spectrum of the class means"} <= set(charts(app))


@pytest.mark.parametrize("method", ["PCA", "UMAP"])
def test_projections_show_it(method: str, measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("projections", measured, monkeypatch, method=method)
    captions = [caption.value.replace("\\", "") for caption in app.caption]
    assert any(text.startswith("my-resnet · ") and "epoch 3" in text for text in captions)
    assert len(rows(app, "projected features", "shown", "sample", "x", "y")) == 200
    assert rows(app, "leaping matrix", "true_class", "count")["count"].sum() == 200


def test_layers_show_it(measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("layers", measured, monkeypatch)
    found = rows(app, f"{METRIC_INFO[Metric.NC1].label} along the network", "run_id", "layer", "depth", "shown")
    assert set(found["run_id"]) == {run_id}
    clean = found[found["shown"] == "clean"].sort_values("depth")
    assert clean["layer"].tolist() == STAGES


def test_the_runs_page_says_how_to_measure_it_again(
    measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", measured, monkeypatch, config_of=run_id)
    assert app.dataframe[0].value["run_id"].tolist() == [run_id]
    assert app.code[0].value.startswith("python -m train.measure --name my-resnet --checkpoint ")


def test_the_lab_attacks_it_on_its_own_images(measured: Path, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("attack_lab", measured, monkeypatch, lab_images=10, lab_steps=1)
    assert app.caption[0].value == f"{run_id} · network of epoch 3 · training images"
    result = answered(app, "Attack").result
    assert isinstance(result, AttackResult) and result.as_recorded and result.clean_images.shape[1:] == (3, 32, 32)
    assert "all 1 steps" in app.header[0].value and not app.warning
    reader = StoreReader(measured)
    run, kept = reader.runs.all().iloc[0], reader.runs.checkpoints([run_id]).iloc[0]
    network = weights.load(Path(kept["path"]), kept["sha256"])
    images = datasets.load(run["images_from"], Split.TRAIN)
    assert images.fingerprint() == json.loads(run["data"])["train"]["fingerprint"]
    torch.manual_seed(0)
    again = models.resnet18(num_classes=5).eval()
    few = images.pixels(torch.arange(0, 200, 40))
    torch.testing.assert_close(network(few), again(few))


@pytest.mark.parametrize(
    "page", ["findings", "collapse", "geometry", "projections", "film", "layers", "attack_lab", "runs"]
)
def test_no_page_raises_for_the_test_images_that_there_are_not(
    page: str, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_page(page, measured, monkeypatch, split="test").title
