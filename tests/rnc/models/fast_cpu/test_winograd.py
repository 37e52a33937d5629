"""The fast convolutions are torch's: same outputs, same input gradients, at every size and way; the rule is by shape alone."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.models.fast_cpu.folding import folded_copy
from rnc.models.fast_cpu.winograd import FastConv, _Winograd, is_faster


def fast(conv: nn.Conv2d) -> FastConv:
    return FastConv(conv.weight.detach())


SIZES = [
    (1, 1, 1),
    (3, 2, 2),
    (3, 1, 2),
    (40, 4, 4),
    (8, 8, 8),
    (4, 12, 16),
    (200, 4, 8),
    (3, 32, 32),
    (2, 7, 7),
    (2, 4, 4),
]


@pytest.mark.parametrize(("count", "height", "width"), SIZES)
@pytest.mark.parametrize("channels", [(3, 5), (64, 64)])
def test_outputs_and_input_gradients_are_those_of_torch(
    count: int, height: int, width: int, channels: tuple[int, int]
) -> None:
    torch.manual_seed(count)
    conv = nn.Conv2d(*channels, 3, padding=1).double()
    x = torch.randn(count, channels[0], height, width, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(count, channels[1], height, width, dtype=torch.float64)
    ends = [fast(conv)(x, conv.bias), conv(x)]
    torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(*(torch.autograd.grad(end, x, upstream)[0] for end in ends), rtol=1e-9, atol=1e-11)


def test_the_gradient_is_the_adjoint() -> None:
    x = torch.randn(2, 3, 8, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(36, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda images: _Winograd.apply(images, weights), (x,))


def test_float32_loses_little() -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(128, 128, 3, padding=1), torch.randn(8, 128, 16, 16).relu()
    exact = functional.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)  # type: ignore[union-attr]
    assert (fast(conv)(x, conv.bias) - exact).abs().max() < 2e-5 * exact.abs().max()


def test_refresh_copies_new_weights_for_every_algorithm() -> None:
    conv, bias = nn.Conv2d(4, 4, 3, padding=1, bias=False).double(), torch.zeros(4, dtype=torch.float64)
    made = fast(conv)
    for shape in ((2, 4, 2, 2), (8, 4, 8, 8)):
        x = torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(made(x, bias), conv(x))
        nn.init.normal_(conv.weight)
        made.discard_transformed_weights()
        torch.testing.assert_close(made(x, bias), conv(x))


def test_which_convolutions_are_done_so() -> None:
    assert is_faster(nn.Conv2d(64, 64, 3, padding=1))
    others = [nn.Conv2d(64, 64, 3, padding=1, **extra) for extra in ({"stride": 2}, {"groups": 2}, {"dilation": 2})]
    others += [nn.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 1), nn.Conv2d(3, 64, 3, padding=1)]
    assert not any(is_faster(conv) for conv in others)


def test_a_full_network_takes_them() -> None:
    torch.manual_seed(0)
    net = models.build("vgg11_bn", datasets.spec("cifar10"))
    copy = folded_copy(net, torch.rand(32, 3, 32, 32))
    assert copy is not None and sum(isinstance(layer, FastConv) for layer in copy.modules()) == 7
