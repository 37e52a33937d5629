"""VGG11-BN is the network of the paper's section 2, layer by layer: sizes, initialisation and the numbers it gives."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from tests.rnc.models.by_hand import State, assert_same, batch, normalised, shaken

PAPER = (64, 128, 256, 256, 512, 512, 512, 512)
POOLED_AFTER = {1, 2, 4, 6}


def by_hand(spec: DatasetSpec, state: State, images: torch.Tensor, training: bool) -> torch.Tensor:
    """The logits from the paper's words and seven tensors a convolution; moves the running statistics in `state`."""
    *layers, weight, bias = state.values()
    x = normalised(spec, images)
    for number in range(1, 9):
        kernel, offset, gain, shift, mean, var, _steps = layers[7 * (number - 1) : 7 * number]
        x = functional.conv2d(x, kernel, offset, padding=1)
        x = functional.relu(functional.batch_norm(x, mean, var, gain, shift, training, momentum=0.1, eps=1e-5))
        x = functional.max_pool2d(x, 2) if number in POOLED_AFTER else x
    side = {28: 1, 32: 2, 160: 5}[spec.image_shape[1]]
    x = functional.avg_pool2d(functional.max_pool2d(x, 2) if side == 5 else x, side)
    return x.flatten(1) @ weight.T + bias


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["mnist", "cifar10", "imagenette"])
def test_logits_gradients_and_statistics_are_those_of_a_forward_by_hand(name: str, training: bool) -> None:
    assert_same("vgg11_bn", datasets.spec(name), by_hand, training)


@pytest.mark.parametrize(("name", "width"), [("cifar10", 1.0), ("cifar100", 1.0), ("mnist", 1.0), ("cifar10", 0.25)])
def test_parameters_are_counted(name: str, width: float) -> None:
    spec = datasets.spec(name)
    sizes = [round(width * n) for n in PAPER]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise((spec.image_shape[0], *sizes)))
    expected = convolutions + 2 * sum(sizes) + (sizes[-1] + 1) * spec.num_classes
    with torch.device("meta"):
        found = sum(p.numel() for p in models.build("vgg11_bn", spec, width).parameters())
    assert found == expected
    if (name, width) == ("cifar10", 1.0):
        assert found == 9_231_114


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("mnist", (28, 14, 7, 7, 3, 3, 1, 1)),
        ("cifar10", (32, 16, 8, 8, 4, 4, 2, 2)),
        ("imagenette", (160, 80, 40, 40, 20, 20, 10, 10)),
    ],
)
def test_stages_of_the_full_network(name: str, sides: tuple[int, ...]) -> None:
    spec = datasets.spec(name)
    net, images = models.build("vgg11_bn", spec).eval(), torch.rand(1, *spec.image_shape)
    with torch.no_grad():
        shapes = {stage: tuple(x.shape) for stage, x in net.activations(images)}
    expected = {f"conv{i}": (1, c, side, side) for i, (c, side) in enumerate(zip(PAPER, sides, strict=True), start=1)}
    assert list(shapes.items()) == list(expected.items())
    assert net.features(images).shape == (1, 512)


def test_features_and_stages_are_what_a_relu_gives() -> None:
    spec = datasets.spec("cifar10")
    net, images = shaken("vgg11_bn", spec), batch(spec)
    for stage, x in net.activations(images):
        assert float(x.detach().min()) == 0.0, stage
    assert float(net.features(images).detach().min()) >= 0.0


def test_the_initialisation_is_the_papers() -> None:
    """Within five standard errors of a normal sample's mean, deviation and fourth moment (a uniform one has 1.8, not 3)."""
    torch.manual_seed(0)
    net = models.build("vgg11_bn", datasets.spec("cifar10"))
    kinds = [nn.Conv2d] * 8 + [nn.Linear]
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert [type(layer) for layer in layers] == kinds
    for layer in layers:
        weight = layer.weight.detach().double()
        std = 0.01 if isinstance(layer, nn.Linear) else (2 / weight[0].numel()) ** 0.5
        z, n = weight.flatten() / std, weight.numel()
        assert abs(float(z.mean())) < 5 * n**-0.5
        assert abs(float((z**2).mean()) - 1) < 5 * (2 / n) ** 0.5
        assert abs(float((z**4).mean()) - 3) < 5 * (96 / n) ** 0.5
        assert layer.bias is not None and not layer.bias.any()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 8 and all(bool((x.weight == 1).all()) and not x.bias.any() for x in norms)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 15, 15), (3, 15, 160), (3, 160, 15)])
def test_images_too_small_for_four_pools_are_refused(shape: tuple[int, int, int]) -> None:
    colours = shape[0]
    spec = DatasetSpec("tiny_images", ("a", "b"), shape, (0.5,) * colours, (0.5,) * colours)
    with pytest.raises(ValueError, match=rf"at least 16 px, but tiny_images has {min(shape[1:])}; use small_cnn"):
        models.build("vgg11_bn", spec)
