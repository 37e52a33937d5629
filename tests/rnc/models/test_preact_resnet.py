"""PreAct-ResNet-18 is the network of the paper's section 2, layer by layer: sizes and the numbers it gives."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from tests.rnc.models.by_hand import State, assert_same, batch, normalised, shaken

BLOCKS = (
    (64, 64, 1),
    (64, 64, 1),
    (64, 128, 2),
    (128, 128, 1),
    (128, 256, 2),
    (256, 256, 1),
    (256, 512, 2),
    (512, 512, 1),
)
"""Channels before and after, and the stride, of every block."""


def bn_relu(x: torch.Tensor, state: State, name: str, training: bool) -> torch.Tensor:
    """BatchNorm and ReLU with the tensors of a name; moves the running statistics in `state`."""
    mean, var, gain, shift = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return functional.relu(functional.batch_norm(x, mean, var, gain, shift, training, momentum=0.1, eps=1e-5))


def by_hand(spec: DatasetSpec, state: State, images: torch.Tensor, training: bool) -> torch.Tensor:
    """The logits from the paper's words."""
    x = normalised(spec, images)
    if spec.image_shape[1] == 160:
        x = functional.conv2d(x, state["stages.stem.0.weight"], stride=2, padding=3)
        x = functional.max_pool2d(bn_relu(x, state, "stages.stem.1", training), 3, stride=2, padding=1)
    else:
        x = functional.conv2d(x, state["stages.stem.weight"], padding=1)
    for number, (before, after, stride) in enumerate(BLOCKS, start=1):
        block = f"stages.block{number}"
        a = bn_relu(x, state, f"{block}.bn1", training)
        beside = x if before == after else functional.conv2d(a, state[f"{block}.shortcut.weight"], stride=stride)
        y = functional.conv2d(a, state[f"{block}.conv1.weight"], stride=stride, padding=1)
        y = bn_relu(y, state, f"{block}.bn2", training)
        x = functional.conv2d(y, state[f"{block}.conv2.weight"], padding=1) + beside
    features = bn_relu(x, state, "stages.final.0", training).mean(dim=(2, 3))
    return features @ state["classifier.weight"].T + state["classifier.bias"]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["mnist", "cifar10", "imagenette"])
def test_logits_gradients_and_statistics_are_those_of_a_forward_by_hand(name: str, training: bool) -> None:
    assert_same("preact_resnet18", datasets.spec(name), by_hand, training)


@pytest.mark.parametrize(
    ("name", "width"), [("cifar10", 1.0), ("cifar100", 1.0), ("mnist", 1.0), ("imagenette", 1.0), ("cifar10", 0.25)]
)
def test_parameters_are_counted(name: str, width: float) -> None:
    spec = datasets.spec(name)
    large = spec.image_shape[1] == 160
    blocks = [(round(width * before), round(width * after)) for before, after, _stride in BLOCKS]
    first, last = blocks[0][0], blocks[-1][1]
    stem = (49 if large else 9) * spec.image_shape[0] * first + 2 * first * large
    expected = stem + sum(9 * a * b + 9 * b * b + 2 * a + 2 * b + (a * b if a != b else 0) for a, b in blocks)
    expected += 2 * last + (last + 1) * spec.num_classes
    with torch.device("meta"):
        found = sum(p.numel() for p in models.build("preact_resnet18", spec, width).parameters())
    assert found == expected
    if (name, width) == ("cifar10", 1.0):
        assert found == 11_172_170


@pytest.mark.parametrize(
    ("name", "stem", "sides"),
    [
        ("mnist", 28, (28, 28, 14, 14, 7, 7, 4, 4)),
        ("cifar10", 32, (32, 32, 16, 16, 8, 8, 4, 4)),
        ("imagenette", 40, (40, 40, 20, 20, 10, 10, 5, 5)),
    ],
)
def test_stages_of_the_full_network(name: str, stem: int, sides: tuple[int, ...]) -> None:
    spec = datasets.spec(name)
    net, images = models.build("preact_resnet18", spec).eval(), torch.rand(1, *spec.image_shape)
    with torch.no_grad():
        shapes = {stage: tuple(x.shape) for stage, x in net.activations(images)}
    expected = {"stem": (1, 64, stem, stem)}
    for number, ((_before, after, _stride), side) in enumerate(zip(BLOCKS, sides, strict=True), start=1):
        expected[f"block{number}"] = (1, after, side, side)
    expected["final"] = expected["block8"]
    assert list(shapes.items()) == list(expected.items())
    assert net.features(images).shape == (1, 512)


def test_features_come_after_relu_and_blocks_do_not() -> None:
    spec = datasets.spec("cifar10")
    net, images = shaken("preact_resnet18", spec), batch(spec)
    least = {stage: float(x.detach().min()) for stage, x in net.activations(images)}
    assert least.pop("final") == 0.0
    assert max(least.values()) < 0.0
    assert float(net.features(images).detach().min()) >= 0.0


def test_the_initialisation_is_pytorchs_and_no_convolution_has_a_bias() -> None:
    """Uniform within 1 / sqrt(fan_in): the largest is near that bound, the deviation within five standard errors."""
    torch.manual_seed(0)
    net = models.build("preact_resnet18", datasets.spec("cifar10"), 0.5)
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 1 + 2 * 8 + 3 + 1
    for layer in layers:
        assert (layer.bias is None) == isinstance(layer, nn.Conv2d)
        weight = layer.weight.detach().double()
        z, n = weight.flatten() * weight[0].numel() ** 0.5, weight.numel()
        assert 0.98 < float(z.abs().max()) <= 1 + 1e-6
        assert abs(float((z**2).mean()) - 1 / 3) < 5 * (4 / 45 / n) ** 0.5
