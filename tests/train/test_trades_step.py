"""Three steps of `trades` are three steps as its authors describe and train them, in parameters and in BatchNorm's buffers.

The oracle is written from their paper (Zhang et al. 2019, algorithm 1) and the description of their released step: the attack
in eval mode from 0.001 N(0, 1), not clipped before the first gradient; then, in train mode, three passes: the clean images for
the cross entropy, the perturbed and the clean ones again for the divergence.
"""

import copy

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.attacks import SampleNoise
from rnc.vocabulary import Norm, Objective
from tests.oracles import samples
from train.config import RunConfig
from train.losses import training_loss

SEED, SIZE, STEPS, ATTACK_STEPS, BETA = 3, 8, 3, 4, 6.0
EPSILON = {Norm.LINF: 8 / 255, Norm.L2: 128 / 255}
STEP_SIZE = 2 / 255


def network() -> models.FeatureClassifier:
    torch.manual_seed(0)
    net = models.build("vgg11_bn", datasets.spec("cifar10"), 0.125).double()
    with torch.no_grad():
        net.train()(images(STEPS))  # (so that the statistics are not 0 and 1)
    return net


def images(step: int) -> torch.Tensor:
    """A batch (N, 3, 32, 32), some of its pixels at the borders of [0, 1], where clipping shows."""
    return samples.images(step, 3 * SIZE, size=32).reshape(SIZE, 3, 32, 32)


def labels(step: int) -> torch.Tensor:
    return samples.labels(step, SIZE, 10)


def noise(step: int) -> SampleNoise:
    return SampleNoise(SEED, torch.arange(SIZE) + 100 * step)


def divergence(clean: torch.Tensor, perturbed: torch.Tensor) -> torch.Tensor:
    """The sum over samples of KL(p || q), from logits."""
    p, q = clean.softmax(1), perturbed.softmax(1)
    return (p * (p.log() - q.log())).sum()


def attack_of_the_authors(net: nn.Module, x: torch.Tensor, drawn: SampleNoise, norm: Norm) -> torch.Tensor:
    net.eval()
    epsilon, delta = EPSILON[norm], 0.001 * drawn.normal(x.shape, x)
    for _step in range(ATTACK_STEPS):
        delta = delta.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(divergence(net(x).detach(), net(x + delta)), delta)
        if norm is Norm.LINF:
            moved = (delta.detach() + STEP_SIZE * gradient.sign()).clamp(-epsilon, epsilon)
            delta = (x + moved).clamp(0, 1) - x
        else:
            length = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            delta = (x + delta.detach() + 2 * epsilon / ATTACK_STEPS * gradient / length).clamp(0, 1) - x
            size = delta.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            delta = torch.where(size > epsilon, delta * epsilon / size, delta)
    return (x + delta.detach()).clamp(0, 1)


def step_of_the_authors(net: nn.Module, x: torch.Tensor, y: torch.Tensor, drawn: SampleNoise, norm: Norm) -> None:
    perturbed = attack_of_the_authors(net, x, drawn, norm)
    net.train()
    natural = -net(x).log_softmax(1)[torch.arange(SIZE), y].mean()
    after = net(perturbed)
    (natural + BETA / SIZE * divergence(net(x), after)).backward()


def trained(net: models.FeatureClassifier, norm: Norm, *, by_authors: bool) -> dict[str, torch.Tensor]:
    """The network's parameters and buffers after three steps of SGD."""
    config = RunConfig(
        objective=Objective.TRADES, norm=norm, epsilon=EPSILON[norm], steps=ATTACK_STEPS, step_size=STEP_SIZE
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for step in range(STEPS):
        optimizer.zero_grad()
        if by_authors:
            step_of_the_authors(net, images(step), labels(step), noise(step), norm)
        else:
            training_loss(net, images(step), labels(step), config, noise(step)).backward()
        optimizer.step()
    return net.state_dict()


@pytest.mark.parametrize("norm", Norm)
def test_three_steps_are_those_of_the_authors(norm: Norm) -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = trained(copy.deepcopy(net), norm, by_authors=True)
    found = trained(net, norm, by_authors=False)
    updates = [name for name in found if name.endswith("num_batches_tracked")]
    assert updates and all(int(found[name] - before[name]) == 9 for name in updates)
    for name, value in found.items():
        assert torch.allclose(value, expected[name], rtol=0, atol=1e-12), name
    assert all(
        not torch.equal(found[name], before[name]) for name in found if name.endswith(("weight", "running_mean"))
    )
