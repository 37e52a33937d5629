"""Numbers at their edges: refused with a reason before anything is made, or met as they are."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.datasets import ImageSet
from rnc.device_and_threads import set_threads
from rnc.models.channels_last_safety import channels_last_is_safe
from rnc.models.fast_cpu.folding import folded_copy
from rnc.probe.execution import Execution, Precision
from rnc.probe.store_and_device_options import Options
from rnc.probe.torchrun_ranks import Ranks
from rnc.vocabulary import Objective
from tests.train.small import FLAGS, ask, small
from train import cost
from train.cost import Estimate
from train.epoch import Trainer, batches
from train.run import main
from train.training_and_measured_images import TrainingSet

CPU = torch.device("cpu")
REFUSED = [
    (["--epochs", "1000000000", "--dry-run"], "epochs must be at most 1,000,000, got 1000000000"),
    (["--width", "1000", "--dry-run"], "width must be at most 64, got 1000"),
    (["--width", "0.01"], "with width 0.01, small_cnn has 1 penultimate feature"),
    (["--threads", "100000"], "threads must be 0 (automatic) to 1024, got 100000"),
    (["--threads", "100000", "--dry-run"], "threads must be 0 (automatic) to 1024, got 100000"),
    (["--seed", "9300000000000"], "seed must be at most 9,223,343,366,821, got 9300000000000"),
    (["--batch-size", "10000000"], "batch_size must be at most 1,000,000"),
    (["--steps", "1000000000"], "steps must be at most 100,000"),
    (["--sample-size", "100000000"], "sample_size must be at most 1,000,000"),
    (["--subset", "100000000000"], "subset must be at most 1,000,000,000"),
    (["--measure-subset", "100000000000"], "measure_subset must be at most 1,000,000,000"),
    (["--learning-rate", "1e39"], "learning_rate must be at most 1e+38, got 1e+39; float32 has no larger numbers"),
    (["--momentum", "1.5"], "momentum must be at most 1"),
    (["--weight-decay", "1e39"], "weight_decay must be at most 1e+38"),
    (["--trades-beta", "1e39"], "trades_beta must be at most 1e+38"),
    (["--jobs", "-1"], "jobs must be at least 0"),
    (["--jobs", "100000"], "jobs must be at most 1,024"),
]


@pytest.mark.parametrize(("flags", "message"), REFUSED, ids=[" ".join(flags) for flags, _message in REFUSED])
def test_a_number_out_of_its_bounds_is_refused(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "new" / "rnc.duckdb"
    try:
        code = main([*flags, "--store", str(store)])
    except SystemExit as ended:
        code = ended.code
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert code == 2 and message in told and not store.parent.exists()


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    """Seeds of epochs are made from it."""
    assert main([*FLAGS, "--seed", "9223343366821", "--store", str(tmp_path / "rnc.duckdb")]) == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--epochs", "1000000"], "1000000 epochs  about "),
        (["--model", "preact_resnet18", "--dataset", "cifar10", "--width", "64"], "about "),
    ],
)
def test_a_dry_run_costs_nothing(
    flags: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that is far too large is counted, and a narrow one timed in its place."""
    timed = []

    def time_passes(model: nn.Module, *_rest: object) -> tuple[float, float, float]:
        timed.append(sum(parameter.numel() for parameter in model.parameters()))
        return 1e-6, 2e-6, 3e-6

    monkeypatch.setattr(cost, "_time_passes", time_passes)
    assert main([*flags, "--dry-run", "--store", str(tmp_path / "rnc.duckdb")]) == 0
    assert told in capsys.readouterr().out and timed[0] < 2e8


def test_what_is_counted_is_what_is_timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Times of a narrower network are multiplied by how many more operations the asked one has."""
    monkeypatch.setattr(cost, "_time_passes", lambda *_given: (1.0, 1.0, 1.0))
    config = small(model="vgg11_bn", dataset="cifar10", width=1.0)
    whole = Estimate(Options(tmp_path)).seconds(config)
    monkeypatch.setattr(cost, "_MOST_OPERATIONS", 10**8)
    part = Estimate(Options(tmp_path)).seconds(config)
    assert 3 < part / whole < 17, "half or a quarter of the channels are a quarter or a sixteenth of the operations"


def test_threads_that_torch_cannot_start_are_refused() -> None:
    with pytest.raises(ValueError, match=r"threads must be 0 \(automatic\) to 1024, got 100000; this machine has"):
        set_threads(nn.Linear(2, 2), 100_000)


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (5, 4, [5]), (1, 4, [1]), (3, 4, [3]), (129, 128, [129])],
)
def test_a_last_image_alone_joins_the_batch_before(count: int, size: int, sizes: list[int]) -> None:
    parts = batches(torch.arange(count), size)
    assert [len(part) for part in parts] == sizes and torch.cat(parts).tolist() == list(range(count))


def test_a_network_that_ends_in_one_pixel_trains_with_one_image_left() -> None:
    """BatchNorm has no variance of one value."""
    torch.manual_seed(0)
    net = models.build("vgg11_bn", datasets.spec("mnist"), 1 / 16)
    images = ImageSet(torch.randint(0, 255, (9, 1, 28, 28), dtype=torch.uint8), torch.arange(9))
    data = TrainingSet(images, torch.arange(9), torch.tensor([0]))
    trainer = Trainer(net, data, small(batch_size=4, objective=Objective.ST), Execution(CPU), Ranks())
    assert math.isfinite(trainer.train_epoch(1))
    assert "the last image joins the batch before it" in str(trainer)
    more = TrainingSet(images.take(torch.arange(8)), torch.arange(8), torch.tensor([0]))
    assert "joins" not in str(Trainer(net, more, small(batch_size=4), Execution(CPU), Ranks()))


def test_no_epochs_end_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FLAGS, "--epochs", "0", "--store", str(tmp_path / "rnc.duckdb")]) == 0
    told = capsys.readouterr()
    assert "nan" not in told.out + told.err and "0 epochs: nothing was trained" in told.out + told.err
    assert ask(tmp_path / "rnc.duckdb", "SELECT DISTINCT epoch FROM metric") == [(0,)]


@pytest.mark.parametrize(
    ("width", "safe"), [(0.02, False), (0.03, False), (0.05, False), (0.11, False), (0.125, True), (1.0, True)]
)
def test_what_corrupts_memory_in_channels_last_stays_contiguous(
    width: float, safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strided 1 x 1 convolution of 2 to 7 input channels, on CPUs of up to AVX2."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    spec = datasets.spec("cifar10")
    with torch.device("meta"):
        net = models.build("preact_resnet18", spec, width)
    assert channels_last_is_safe(net) is safe
    assert Execution.choose(CPU, Precision.AUTO, False, net).channels_last is safe
    assert Execution.choose(torch.device("cuda"), Precision.AUTO, False, net).channels_last


def test_no_copy_for_attacks_is_made_in_an_unsafe_layout() -> None:
    spec = datasets.spec("cifar10")
    found = [
        folded_copy(models.build("preact_resnet18", spec, width).eval(), torch.rand(2, *spec.image_shape))
        for width in (0.05, 0.125)
    ]
    assert found[0] is None and found[1] is not None
