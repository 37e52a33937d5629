"""A pass over the training set: every sample once, with its own label and noise, at the epoch's learning rate."""

import itertools
from typing import Any

import pytest
import torch

from rnc import datasets, models
from rnc.datasets import ImageSet
from rnc.probe.execution import Execution
from rnc.probe.torchrun_ranks import Ranks
from rnc.vocabulary import Objective
from tests.train.small import small
from train import epoch as epoch_module
from train.config import RunConfig
from train.epoch import Recorder, Trainer
from train.training_and_measured_images import TrainingSet

SIZE = 300
CPU = Execution(torch.device("cpu"))


def training_set() -> TrainingSet:
    """Images that show their own position, up to 255, and names that are not their positions."""
    shown = (torch.arange(SIZE) % 256).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()
    measured = torch.tensor([7, 3, 250])
    return TrainingSet(ImageSet(shown, torch.arange(SIZE) % 10), torch.arange(SIZE) + 1000, measured)


def network() -> models.FeatureClassifier:
    torch.manual_seed(0)
    return models.build("small_cnn", datasets.spec("digits"))


def trainer(config: RunConfig, net: models.FeatureClassifier | None = None) -> Trainer:
    return Trainer(net or network(), training_set(), config, CPU, Ranks())


def order(monkeypatch: pytest.MonkeyPatch, config: RunConfig, epoch: int, beats: list[int]) -> list[list[int]]:
    """The names of each step's samples in an epoch, and that they come with their own pixels and labels."""
    steps: list[list[int]] = []

    def look(_m: Any, images: torch.Tensor, labels: torch.Tensor, _c: Any, noise: Any, _f: Any) -> torch.Tensor:
        names = noise._indices.tolist()
        steps.append(names)
        assert labels.tolist() == [name % 10 for name in names]
        assert (images[:, 0, 0, 0] * 255).round().int().tolist() == [(name - 1000) % 256 for name in names]
        return images

    def count(_self: object, _images: torch.Tensor, _trained: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.zeros((), requires_grad=True) + len(labels)

    monkeypatch.setattr(epoch_module, "training_images", look)
    monkeypatch.setattr(epoch_module.TrainingLoss, "forward", count)
    loss = trainer(config).train_epoch(epoch, beat=lambda: beats.append(1))
    assert loss == pytest.approx((128 * 128 * 2 + 44 * 44) / 300), "a batch counts by its images"
    return steps


def test_an_epoch_passes_over_every_sample_once(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[int] = []
    steps = order(monkeypatch, small(), 1, beats)
    assert [len(step) for step in steps] == [128, 128, 44] and len(beats) == 3
    assert sorted(itertools.chain(*steps)) == list(range(1000, 1300))
    assert steps == order(monkeypatch, small(), 1, [])
    others = [order(monkeypatch, small(), 2, []), order(monkeypatch, small(seed=2), 1, [])]
    assert steps not in others and others[0] != others[1]


def test_the_optimiser_is_the_papers_at_the_epochs_learning_rate() -> None:
    config = small(epochs=8, lr_drops=(0.25, 0.5), learning_rate=0.4)
    runner, rates = trainer(config), []
    for epoch in range(1, 9):
        runner.train_epoch(epoch)
        (group,) = runner.optimizer.param_groups
        assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 5e-4, False)
        rates.append(group["lr"])
    assert rates == pytest.approx([0.4] * 2 + [0.04] * 2 + [0.004] * 4)
    assert sum(p.numel() for p in group["params"]) == sum(p.numel() for p in runner.model.parameters())


def test_one_step_is_the_gradient_of_the_batch() -> None:
    """Without momentum and decay, a step goes learning_rate times the gradient of the mean loss."""
    config, net = small(batch_size=300, momentum=0.0, weight_decay=0.0, learning_rate=0.5), network()
    expected = {name: value.clone() for name, value in net.named_parameters()}
    same, data = network().train().to(memory_format=torch.channels_last), training_set().images  # type: ignore[call-overload]
    loss = torch.nn.functional.cross_entropy(same(data.pixels()), data.labels)
    gradients = torch.autograd.grad(loss, list(same.parameters()))
    found = trainer(config, net).train_epoch(1)
    assert found == pytest.approx(float(loss.detach()), rel=1e-5)
    for (name, value), gradient in zip(net.named_parameters(), gradients, strict=True):
        assert torch.allclose(value, expected[name] - 0.5 * gradient, atol=1e-4), name


def test_the_recorder_keeps_what_the_measured_samples_were_trained_on() -> None:
    net, data = network(), training_set()
    config = small(objective=Objective.AT, epsilon=0.1)
    recorder = Recorder(data)
    trainer(config, net).train_epoch(1, recorder)
    taken = recorder.recorded()
    assert taken.positions.tolist() == [0, 1, 2] and taken.images.shape == (3, 1, 8, 8)
    clean = data.images.pixels(data.measured)
    assert float((taken.images - clean).abs().max()) == pytest.approx(0.1, abs=1e-6)
    assert float((taken.images - clean).flatten(1).abs().amax(1).min()) > 0.05, "each beside its own image"


def test_a_recorder_keeps_only_what_it_saw() -> None:
    recorder = Recorder(training_set())
    recorder.add(torch.tensor([250, 9, 7]), torch.stack([torch.full((1, 8, 8), v) for v in (0.25, 0.9, 0.7)]))
    taken = recorder.recorded()
    assert taken.positions.tolist() == [0, 2]
    assert taken.images[:, 0, 0, 0].tolist() == pytest.approx([0.7, 0.25])
