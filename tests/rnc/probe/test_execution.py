"""Tests of fast training: but for rounding, its curves are those of float32 eager, within the noise of a seed."""

import shutil
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.models import FeatureClassifier
from rnc.models.interface import StagedClassifier
from rnc.probe.execution import Execution, Precision
from rnc.probe.torchrun_ranks import Ranks
from rnc.vocabulary import Objective
from tests.train.malformed.network import small as plain_network
from tests.train.malformed.network import write_images
from tests.train.own_networks import HERE, Viewed
from tests.train.small import ask, small
from train.epoch import Trainer
from train.measure import main as measure
from train.training_and_measured_images import load_data

CPU = torch.device("cpu")
CONFIG = small(objective=Objective.AT, epochs=3, subset=400, batch_size=50, epsilon=0.1, lr_drops=())
PLAIN = Execution(CPU, channels_last=False)


def small_cnn() -> FeatureClassifier:
    """The network that the tests train."""
    return models.build(CONFIG.model, datasets.spec(CONFIG.dataset), CONFIG.width)


def one_stage() -> FeatureClassifier:
    """The smallest network with all kinds of layer but the max pool: g++ takes 5 s for each further convolution."""
    stage = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return StagedClassifier(datasets.spec(CONFIG.dataset), {"conv1": stage}, pool, 16)


def losses(execution: Execution, build: Callable[[], FeatureClassifier], seed: int = 1) -> list[float]:
    """The mean training loss of each epoch."""
    torch.manual_seed(seed)
    config = replace(CONFIG, seed=seed)
    trainer = Trainer(
        execution.place_network(build()), load_data(config, None, CPU).training, config, execution, Ranks()
    )
    return [trainer.train_epoch(epoch) for epoch in range(1, config.epochs + 1)]


@cache
def plain(build: Callable[[], FeatureClassifier]) -> list[list[float]]:
    """The curves of four seeds in float32, eager, contiguous."""
    return [losses(PLAIN, build, seed) for seed in range(1, 5)]


COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


@pytest.mark.parametrize(
    "execution",
    [
        Execution(CPU),
        Execution(CPU, bf16=True),
        Execution(CPU, bf16=True, channels_last=False),
        pytest.param(Execution(CPU, compiled=True), marks=[COMPILER, pytest.mark.slow]),
    ],
    ids=str,
)
def test_the_curves_are_those_of_float32_eager_within_the_noise_of_a_seed(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = one_stage if execution.compiled else small_cnn
    if execution.compiled:  # in this process: for each processor, torch would start one that loads torch
        monkeypatch.setattr("torch._inductor.config.compile_threads", 1)
    found = losses(execution, build)
    for epoch, loss in enumerate(found):
        over_seeds = [curve[epoch] for curve in plain(build)]
        assert abs(loss - over_seeds[0]) < 2 * statistics.stdev(over_seeds), f"epoch {epoch + 1}"
    assert found[-1] < found[0]


def test_autocast_multiplies_in_bfloat16_and_keeps_weights_in_float32() -> None:
    execution = Execution(CPU, bf16=True)
    model = execution.place_network(models.build("small_cnn", datasets.spec("digits")))
    with execution.autocast():
        assert model(torch.rand(4, 1, 8, 8)).dtype == torch.bfloat16
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32, torch.int64}
    with PLAIN.autocast():
        assert model(torch.rand(4, 1, 8, 8)).dtype == torch.float32


def test_automatic_precision_is_bfloat16_on_a_gpu_alone() -> None:
    cuda = torch.device("cuda")
    assert Execution.choose(cuda, Precision.AUTO, False).bf16 and not Execution.choose(CPU, Precision.AUTO, False).bf16
    assert (
        not Execution.choose(cuda, Precision.FLOAT32, False).bf16 and Execution.choose(CPU, Precision.BF16, False).bf16
    )


@pytest.mark.parametrize(("capability", "channels_last"), [("AVX512", False), ("AVX2", True), ("DEFAULT", True)])
def test_the_layout_is_the_one_that_pays_on_the_cpu(
    capability: str, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert Execution.choose(CPU, Precision.AUTO, False).channels_last is channels_last
    assert Execution.choose(torch.device("cuda"), Precision.AUTO, False).channels_last


def test_the_store_is_told() -> None:
    assert str(PLAIN) == "float32" and str(Execution(CPU)) == "float32, channels_last"
    assert str(Execution(CPU, True, True, True)) == "bf16 training, channels_last, compiled"


@pytest.mark.parametrize("kind", [Viewed, plain_network])
def test_a_network_that_needs_contiguous_memory_gets_it(kind: Callable[[], torch.nn.Module]) -> None:
    torch.manual_seed(0)
    model = models.wrap(kind(), image_shape=(3, 8, 8)).eval()
    images = torch.rand(4, 3, 8, 8)
    expected = model(images)
    execution, told = Execution(CPU).place_external(model, (3, 8, 8))
    assert execution.channels_last is (kind is not Viewed)
    assert ("channels_last" in told and "contiguous" in told) is (kind is Viewed)
    torch.testing.assert_close(model(images), expected)
    torch.testing.assert_close(model(execution.to_memory_layout(images)), expected)
    assert str(execution) == ("float32" if kind is Viewed else "float32, channels_last")


def test_a_network_with_views_is_measured_where_channels_last_pays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))
    torch.save(Viewed().state_dict(), tmp_path / "lenet.pt")
    given = ["--checkpoint", str(tmp_path / "lenet.pt"), "--data", str(write_images(tmp_path / "images"))]
    more = ["--steps", "1", "--no-umap", "--epsilon-fractions", "0.5", "--threads", "1"]
    store = tmp_path / "store" / "rnc.duckdb"
    assert measure([*given, "--model", f"{HERE}:viewed", *more, "--store", str(store)]) == 0
    assert "contiguous" in capsys.readouterr().out
    assert ask(store, "SELECT execution FROM run") == [("float32, measured only",)]
