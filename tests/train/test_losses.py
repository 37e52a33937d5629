"""Each objective's BatchNorm passes are those of the paper's code or of the named variant, and its loss is the formula."""

import copy
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.attacks import SampleNoise, norm_balls
from rnc.models.modes import model_mode
from rnc.vocabulary import TRAINED, Norm, Objective
from tests.oracles import samples
from train import losses
from train.config import RunConfig
from train.losses import training_loss

SEED, SIZE = 11, 12
ATTACKED = [objective for objective in TRAINED if objective is not Objective.ST]
TRADES = [Objective.TRADES, Objective.TRADES_RELEASED]


def network() -> models.FeatureClassifier:
    """The shipped network in float64, with BatchNorm statistics of its own, so that train and eval mode differ."""
    torch.manual_seed(0)
    net = models.build("small_cnn", datasets.spec("digits"))
    with torch.no_grad():
        net.train()(torch.rand(16, 1, 8, 8))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.num_batches_tracked is not None:
            module.num_batches_tracked.zero_()
    return net.double()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return samples.images(0, SIZE, size=8), samples.labels(0, SIZE, 10)


def noise() -> SampleNoise:
    return SampleNoise(SEED, torch.arange(100, 100 + SIZE))


def loss_of(net: models.FeatureClassifier, config: RunConfig) -> torch.Tensor:
    return training_loss(net, *batch(), config, noise())


class Spy:
    """Stands for the attacks that `losses` calls: attacks as they do, and remembers what was asked for in which mode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        for name in ("PGD", "TRADESAttack"):
            monkeypatch.setattr(losses, name, partial(self._build, name, getattr(losses, name)))

    def _build(self, name: str, kind: Callable, *sizes: Any, **named: Any) -> SimpleNamespace:
        self.sizes = sizes
        return SimpleNamespace(run=partial(self._run, name, kind(*sizes, **named)))

    def _run(self, name: str, attack: Any, model: nn.Module, *arguments: Any) -> torch.Tensor:
        self.calls.append(name)
        self.modes = {m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d)}
        self.arguments = arguments
        self.images = attack.run(model, *arguments)
        return self.images


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


PASSES = {
    Objective.ST: 1,
    Objective.AT: 13,
    Objective.AT_EVAL_ATTACK: 1,
    Objective.TRADES: 3,
    Objective.TRADES_RELEASED: 0,
}


@pytest.mark.parametrize("objective", TRAINED)
def test_train_mode_passes_of_one_step(objective: Objective) -> None:
    """Ten attack steps, as in the paper's settings (section 5)."""
    net = network()
    loss_of(net, RunConfig(objective=objective, steps=10)).backward()
    counts = {int(m.num_batches_tracked) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    assert counts == {PASSES[objective]}


def test_the_released_trades_never_moves_the_statistics() -> None:
    net = network()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    loss_of(net, RunConfig(objective=Objective.TRADES_RELEASED, steps=2)).backward()
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())


@pytest.mark.parametrize("objective", TRAINED)
def test_modes_are_restored(objective: Objective) -> None:
    net = network()
    for i, module in enumerate(net.modules()):
        module.training = i % 3 == 0
    flags = [module.training for module in net.modules()]
    loss_of(net, RunConfig(objective=objective, steps=2))
    assert [module.training for module in net.modules()] == flags


@pytest.mark.parametrize("objective", TRAINED)
def test_the_mode_the_network_comes_in_changes_nothing(objective: Objective) -> None:
    config = RunConfig(objective=objective, steps=2)
    assert torch.equal(loss_of(network().train(), config), loss_of(network().eval(), config))


@pytest.mark.parametrize("objective", ATTACKED)
def test_the_attack_runs_in_the_named_mode(objective: Objective, spy: Spy) -> None:
    loss_of(network(), RunConfig(objective=objective, steps=2))
    assert spy.calls == ["TRADESAttack" if objective in TRADES else "PGD"]
    assert spy.modes == {objective is Objective.AT}


@pytest.mark.parametrize("norm", Norm)
@pytest.mark.parametrize("objective", ATTACKED)
def test_the_attack_is_the_one_of_the_config(objective: Objective, norm: Norm, spy: Spy) -> None:
    loss_of(network(), RunConfig(objective=objective, norm=norm, epsilon=0.3, steps=3, step_size=0.07))
    images, _labels, _noise = spy.arguments
    expected = [norm, 0.3] if objective in TRADES else [norm_balls.ball_of(norm, 0.3)]
    assert list(spy.sizes) == [*expected, 3, 0.07]
    assert torch.equal(images, batch()[0]) and not torch.equal(spy.images, images)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(
        np.mean([np.log(np.exp(z - z.max()).sum()) + z.max() - z[y] for z, y in zip(logits, labels, strict=True)])
    )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def logits(net: models.FeatureClassifier, images: torch.Tensor, training: bool) -> torch.Tensor:
    """In a copy, so that the statistics of the network stay."""
    copied = copy.deepcopy(net)
    with model_mode(copied, training=training):
        return copied(images)


def test_standard_training_is_cross_entropy_on_clean_images(spy: Spy) -> None:
    net = network()
    found = loss_of(copy.deepcopy(net), RunConfig())
    expected = cross_entropy(logits(net, batch()[0], True).detach().numpy(), batch()[1].numpy())
    assert float(found.detach()) == pytest.approx(expected, rel=1e-12) and spy.calls == []


@pytest.mark.parametrize("objective", [Objective.AT, Objective.AT_EVAL_ATTACK])
def test_adversarial_training_is_cross_entropy_on_perturbed_images(objective: Objective, spy: Spy) -> None:
    net = network()
    found = loss_of(copy.deepcopy(net), RunConfig(objective=objective, steps=3))
    expected = cross_entropy(logits(net, spy.images, True).detach().numpy(), batch()[1].numpy())
    assert float(found.detach()) == pytest.approx(expected, rel=1e-12)


def trades(clean: torch.Tensor, perturbed: torch.Tensor, beta: float) -> torch.Tensor:
    """CE(clean) + beta mean_n sum_c p log(p/q), written out."""
    p, q = torch.exp(clean) / torch.exp(clean).sum(1, keepdim=True), torch.exp(perturbed)
    q = q / q.sum(1, keepdim=True)
    entropy = -torch.log(p[torch.arange(SIZE), batch()[1]]).mean()
    return entropy + beta * (p * torch.log(p / q)).sum(1).mean()


@pytest.mark.parametrize("beta", [6.0, 0.5, 0.0])
@pytest.mark.parametrize("objective", TRADES)
def test_trades_loss(objective: Objective, beta: float, spy: Spy) -> None:
    net, training = network(), objective is Objective.TRADES
    found = loss_of(copy.deepcopy(net), RunConfig(objective=objective, steps=3, trades_beta=beta))
    clean = log_softmax(logits(net, batch()[0], training).detach().numpy())
    perturbed = log_softmax(logits(net, spy.images, training).detach().numpy())
    divergence = float((np.exp(clean) * (clean - perturbed)).sum() / SIZE)
    assert divergence > 1e-6
    assert float(found.detach()) == pytest.approx(
        cross_entropy(clean, batch()[1].numpy()) + beta * divergence, rel=1e-10
    )


def gradients(loss: torch.Tensor, net: nn.Module) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])


@pytest.mark.parametrize("objective", TRADES)
def test_trades_gradient_flows_through_both_predictions(objective: Objective, spy: Spy) -> None:
    net = network()
    with model_mode(net, training=objective is Objective.TRADES):
        found = gradients(loss_of(net, RunConfig(objective=objective, steps=3)), net)
        both = gradients(trades(net(batch()[0]), net(spy.images), 6.0), net)
        clean_fixed = net(batch()[0])
        reference = clean_fixed.detach()
        entropy = torch.nn.functional.cross_entropy(clean_fixed, batch()[1])
        one = gradients(entropy + trades(reference, net(spy.images), 6.0) - entropy.detach(), net)
    assert torch.allclose(found, both, rtol=1e-8, atol=1e-10)
    assert not torch.allclose(found, one, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("objective", [o for o in ATTACKED if o is not Objective.AT])
def test_a_samples_attack_depends_on_its_index_alone(objective: Objective, spy: Spy) -> None:
    """Where the attack sees no batch statistics, an image is perturbed the same way in a smaller batch."""
    net, (images, labels), config = network(), batch(), RunConfig(objective=objective, steps=3)
    training_loss(copy.deepcopy(net), images, labels, config, noise())
    whole = spy.images
    part = SampleNoise(SEED, torch.arange(104, 109))
    training_loss(copy.deepcopy(net), images[4:9], labels[4:9], config, part)
    assert torch.allclose(spy.images, whole[4:9], atol=1e-9)
