"""Every network: logits are W h + b of its own features, pixels are normalised inside, names are listed in errors."""

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from rnc.models.interface import FeatureClassifier, StagedClassifier
from tests.oracles import samples

DIGITS, CIFAR10, IMAGENETTE = (datasets.spec(name) for name in ("digits", "cifar10", "imagenette"))
_AT_8_PX = {"small_cnn": (DIGITS, 1.0)}  # the others are tested on larger images, and narrow to stay quick
EVERY = pytest.mark.parametrize(
    ("name", "spec", "width"),
    [pytest.param(name, *_AT_8_PX.get(name, (CIFAR10, 0.125)), id=name) for name in models.names()],
)


def network(name: str, spec: DatasetSpec, width: float) -> FeatureClassifier:
    torch.manual_seed(0)
    return models.build(name, spec, width).eval()


def batch(spec: DatasetSpec, n: int = 5) -> torch.Tensor:
    colours, size, _width = spec.image_shape
    return samples.images(0, n * colours, size=size, dtype=torch.float32).view(n, *spec.image_shape)


@EVERY
def test_logits_are_weight_times_features_plus_bias(name: str, spec: DatasetSpec, width: float) -> None:
    net, images = network(name, spec, width), batch(spec)
    features = net.features(images)
    assert features.shape == (5, net.weight.shape[1])
    assert net.weight.shape[0] == len(net.bias) == spec.num_classes
    torch.testing.assert_close(features @ net.weight.T + net.bias, net(images), rtol=1e-5, atol=1e-6)


@EVERY
def test_features_are_the_pooled_last_stage(name: str, spec: DatasetSpec, width: float) -> None:
    net, images = network(name, spec, width), batch(spec)
    stages = list(net.activations(images))
    assert [stage for stage, _x in stages] == list(net.stages)
    assert all(len(x) == 5 for _stage, x in stages)
    assert torch.equal(net.pool(stages[-1][1]), net.features(images))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("spec", [CIFAR10, IMAGENETTE], ids=lambda spec: spec.name)
def test_no_stage_changes_what_came_before_it(name: str, spec: DatasetSpec, training: bool) -> None:
    """A ReLU in the wrong place would work on what an earlier stage has yielded, and on what its gradient needs."""
    net, images = network(name, spec, 1 / 16).train(training), batch(spec, 2)
    seen = [("images", images, images.clone())]
    seen += [(stage, x, x.detach().clone()) for stage, x in net.activations(images)]
    net.classifier(net.pool(seen[-1][1])).sum().backward()
    for stage, x, before in seen:
        assert torch.equal(x, before), stage
    assert all(parameter.grad is not None for parameter in net.parameters())


@EVERY
def test_normalisation_is_inside(name: str, spec: DatasetSpec, width: float) -> None:
    net, images = network(name, spec, width), batch(spec)
    expected = net(images)
    mean, std = torch.tensor(spec.mean).view(1, -1, 1, 1), torch.tensor(spec.std).view(1, -1, 1, 1)
    net.mean.zero_()
    net.std.fill_(1.0)
    torch.testing.assert_close(net((images - mean) / std), expected)
    assert not torch.allclose(net(images), expected)


def test_each_channel_has_its_own_mean_and_std() -> None:
    spec = DatasetSpec("made", ("a", "b"), (2, 1, 1), (0.1, 0.2), (0.5, 0.25))
    net = StagedClassifier(spec, {"same": nn.Identity()}, nn.Flatten(), 2)
    found = net.features(torch.tensor([0.6, 0.7]).view(1, 2, 1, 1))
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0]]))
    assert net(torch.rand(3, 2, 1, 1)).shape == (3, 2)


@EVERY
def test_normalisation_is_no_part_of_the_saved_state(name: str, spec: DatasetSpec, width: float) -> None:
    assert not {"mean", "std"} & set(network(name, spec, width).state_dict())


@EVERY
def test_a_seed_fixes_the_initialisation(name: str, spec: DatasetSpec, width: float) -> None:
    first, second = (network(name, spec, width).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown model 'vgg99'; there are: preact_resnet18, small_cnn, vgg11_bn, those of torchvision",
    ):
        models.build("vgg99", DIGITS)
