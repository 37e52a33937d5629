"""A folded copy is the network in eval mode: same logits, same input gradients, whatever the network does meanwhile."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.attacks import PGD, LinfBall
from rnc.models import wrap
from rnc.models.fast_cpu.folding import FoldedCopy, folded_copy
from rnc.models.modes import model_mode
from tests.train.own_networks import Viewed

CIFAR10 = datasets.spec("cifar10")
FOLDED = {"small_cnn": 4, "vgg11_bn": 8, "preact_resnet18": 8}
"""BatchNorm layers that stand directly after a convolution; of PreAct's 17, every block's second."""
EVERY = pytest.mark.parametrize("name", models.names())


def trained(name: str) -> models.FeatureClassifier:
    """In float64, with running statistics and BatchNorm weights that are not those of the start."""
    torch.manual_seed(1)
    net = models.build(name, CIFAR10, 0.125).double()
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2.0)
                layer.bias.normal_()
        for _ in range(3):
            net.train()(images(8))
    return net.eval()


def images(count: int = 6) -> torch.Tensor:
    return torch.rand(count, *CIFAR10.image_shape, dtype=torch.float64)


def gradient(logits_fn: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(functional.cross_entropy(logits_fn(x), torch.arange(len(x))), x)[0]


@EVERY
def test_logits_and_input_gradients_are_those_of_the_network(name: str) -> None:
    net, x = trained(name), images()
    folded = FoldedCopy(net).refresh()
    assert folded.folded == FOLDED[name]
    torch.testing.assert_close(folded(x), net(x), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient(folded, x), gradient(net, x), rtol=1e-8, atol=1e-14)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())


@EVERY
def test_it_stays_in_eval_mode_and_moves_nothing(name: str) -> None:
    net, x = trained(name), images()
    expected, folded = net(x), FoldedCopy(net).refresh()
    before = copy.deepcopy(net.state_dict())
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    net.train()
    torch.testing.assert_close(folded(x), expected, rtol=1e-10, atol=1e-12)
    PGD(LinfBall(0.1), 3, 0.05).run(folded, x, torch.arange(len(x)))
    assert net.training and all(
        torch.equal(parameter.grad, torch.ones_like(parameter)) for parameter in net.parameters()
    )  # type: ignore[arg-type]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


@EVERY
def test_it_holds_the_network_as_it_was_until_it_is_refreshed(name: str) -> None:
    net, x = trained(name), images()
    folded = FoldedCopy(net).refresh()
    with torch.no_grad():
        net.train()(images(8))
        for parameter in net.stages.parameters():
            parameter.mul_(1.1)
    with torch.no_grad(), model_mode(net, training=False):
        assert not torch.allclose(folded(x), net(x))
        torch.testing.assert_close(folded.refresh()(x), net(x), rtol=1e-10, atol=1e-12)


@EVERY
def test_an_attack_on_the_copy_ends_where_that_on_the_network_does(name: str) -> None:
    net, x, y = trained(name), images(), torch.arange(6)
    folded = folded_copy(net, x)
    assert folded is not None
    ends = [PGD(LinfBall(8 / 255), 5, 2 / 255).run(f, x, y, torch.Generator().manual_seed(0)) for f in (folded, net)]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-9)


def test_a_convolution_with_two_readers_keeps_its_output() -> None:
    class Branched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.drop, self.last = nn.Dropout(0.5), nn.Conv2d(4, 5, 30, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.last(self.drop(self.norm(x) + x)).flatten(1)

    net, x = Branched().double(), images()
    net(x), net.eval()
    folded = folded_copy(net, x)
    assert folded is not None and folded.folded == 0
    torch.testing.assert_close(folded.train()(x), net(x), rtol=1e-10, atol=1e-12)


def test_torchvision_networks_fold() -> None:
    from torchvision.models import resnet18

    net = resnet18(num_classes=5)
    folded = folded_copy(net, torch.rand(2, 3, 64, 64))
    assert folded is not None and folded.folded == 20


def test_a_network_that_cannot_be_traced_or_differs_gets_no_copy() -> None:
    class Branching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) if float(x.detach().sum()) > 0 else -x.flatten(1)

    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.conv(x) + torch.randn(1)).flatten(1)

    assert folded_copy(Branching(), images()) is None
    assert folded_copy(Noisy(), images().float()) is None


def test_a_network_that_cannot_be_folded_is_left_as_it_is_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert folded_copy(wrap(Viewed(), image_shape=(3, 8, 8)).eval(), torch.rand(2, 3, 8, 8)) is None
    assert capsys.readouterr().err == ""
