"""Every network: logits are W h + b of its own features, pixels are normalised inside, names are listed in errors."""

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from rnc.models import FeatureClassifier
from tests.oracles import samples

SPEC = datasets.spec("digits")
EVERY = pytest.mark.parametrize("name", models.names())


def network(name: str) -> FeatureClassifier:
    torch.manual_seed(0)
    return models.build(name, SPEC).eval()


def batch(n: int = 5) -> torch.Tensor:
    return samples.images(0, n, size=8, dtype=torch.float32)


@EVERY
def test_logits_are_weight_times_features_plus_bias(name: str) -> None:
    net, images = network(name), batch()
    features = net.features(images)
    assert features.shape == (5, net.weight.shape[1])
    assert net.weight.shape[0] == len(net.bias) == SPEC.num_classes
    torch.testing.assert_close(features @ net.weight.T + net.bias, net(images), rtol=1e-5, atol=1e-6)


@EVERY
def test_features_are_the_pooled_last_stage(name: str) -> None:
    net, images = network(name), batch()
    stages = list(net.activations(images))
    assert [stage for stage, _x in stages] == list(net.stages)
    assert all(len(x) == 5 for _stage, x in stages)
    assert torch.equal(net.pool(stages[-1][1]), net.features(images))


@EVERY
def test_normalisation_is_inside(name: str) -> None:
    net, images = network(name), batch()
    expected = net(images)
    mean, std = torch.tensor(SPEC.mean).view(1, -1, 1, 1), torch.tensor(SPEC.std).view(1, -1, 1, 1)
    net.mean.zero_()
    net.std.fill_(1.0)
    torch.testing.assert_close(net((images - mean) / std), expected)
    assert not torch.allclose(net(images), expected)


def test_each_channel_has_its_own_mean_and_std() -> None:
    spec = DatasetSpec("made", ("a", "b"), (2, 1, 1), (0.1, 0.2), (0.5, 0.25))
    net = FeatureClassifier(spec, {"same": nn.Identity()}, nn.Flatten(), 2)
    found = net.features(torch.tensor([0.6, 0.7]).view(1, 2, 1, 1))
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0]]))
    assert net(torch.rand(3, 2, 1, 1)).shape == (3, 2)


@EVERY
def test_normalisation_is_no_part_of_the_saved_state(name: str) -> None:
    assert not {"mean", "std"} & set(network(name).state_dict())


@EVERY
def test_a_seed_fixes_the_initialisation(name: str) -> None:
    first, second = network(name).state_dict(), network(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_unknown_model_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"unknown model 'vgg99'; there are: .*small_cnn"):
        models.build("vgg99", SPEC)
