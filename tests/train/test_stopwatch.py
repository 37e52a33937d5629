"""Tests of the times that a run reports, which did pass: attack within training, measurement and store beside it."""

import time
from pathlib import Path

import pytest
import torch

from rnc.probe.store_and_device_options import Options
from rnc.store.reader import StoreReader
from rnc.vocabulary import Objective
from tests.train.small import ask, small
from train import epoch
from train.loop import train_run
from train.stopwatch import Stopwatch, cost_per_epoch

SLEPT = 0.05


def test_only_the_block_counts_and_a_reading_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([1.0, 3.0, 10.0, 10.5])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    watch = Stopwatch(torch.device("cpu"))
    for _ in range(2):
        with watch.running():
            pass
    assert watch.read_and_reset() == 2.5
    assert watch.read_and_reset() == 0.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_timed_by_its_own_clock() -> None:
    watch, large = Stopwatch(torch.device("cuda")), torch.ones(4096, 4096, device="cuda")
    with watch.running():
        for _ in range(10):
            large = large @ large / 4096
    assert watch.read_and_reset() > 0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adversarially trained run, every epoch measured, whose attack has been slowed by a known time a batch."""
    path, attack = tmp_path_factory.mktemp("spent") / "rnc.duckdb", epoch.training_images

    def slow(*args: object) -> torch.Tensor:
        time.sleep(SLEPT)
        return attack(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(epoch, "training_images", slow)
        train_run(small(objective=Objective.AT, epochs=2), Options(path, device="cpu", threads=1))
    return path


@pytest.mark.slow
def test_every_epoch_tells_its_parts(store: Path) -> None:
    rows = ask(store, "SELECT attack_seconds, train_seconds, measure_seconds, store_seconds FROM epoch ORDER BY epoch")
    assert len(rows) == 2
    batches = 3
    for attack, training, measurement, writing in rows:
        assert batches * SLEPT <= attack < training
        assert measurement > 0 and writing > 0


def test_the_sums_are_those_of_the_rows(store: Path) -> None:
    ((run_id, attack, step),) = ask(
        store, "SELECT run_id, sum(attack_seconds), sum(train_seconds) - sum(attack_seconds) FROM epoch GROUP BY run_id"
    )
    row = StoreReader(store).runs.total_costs(run_id).iloc[0]
    assert row["attack"] == pytest.approx(attack) and row["step"] == pytest.approx(step)
    assert cost_per_epoch(StoreReader(store), run_id).startswith(
        f"2 epochs, on average per epoch: attack {attack / 2:.2g} s, step"
    )


def test_an_attack_costs_standard_training_nothing(tmp_path: Path) -> None:
    train_run(small(epochs=1), Options(tmp_path / "rnc.duckdb", device="cpu", threads=1))
    ((attack, training),) = ask(tmp_path / "rnc.duckdb", "SELECT attack_seconds, train_seconds FROM epoch")
    assert attack < training / 10
