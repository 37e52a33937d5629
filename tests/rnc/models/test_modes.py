"""Modes and frozen weights hold for a block; every submodule and parameter gets its own back, also after an error."""

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.models.modes import frozen_weights, model_mode


def mixed_network() -> nn.Module:
    """A network in which some submodules train and some do not."""
    net = models.build("small_cnn", datasets.spec("digits"))
    for i, module in enumerate(net.modules()):
        module.training = i % 3 == 1
    return net


def flags(net: nn.Module) -> list[bool]:
    return [module.training for module in net.modules()]


@pytest.mark.parametrize("training", [False, True])
def test_every_submodule_is_switched_and_restored(training: bool) -> None:
    net = mixed_network()
    before = flags(net)
    assert len(set(before)) == 2
    with model_mode(net, training=training):
        assert set(flags(net)) == {training}
    assert flags(net) == before


@pytest.mark.parametrize("training", [False, True])
def test_flags_are_restored_after_an_exception(training: bool) -> None:
    net = mixed_network()
    before = flags(net)
    with pytest.raises(KeyError, match="lost"), model_mode(net, training=training):
        raise KeyError("lost")
    assert flags(net) == before


def test_blocks_nest() -> None:
    net = mixed_network()
    before = flags(net)
    with model_mode(net, training=True):
        with model_mode(net, training=False):
            assert set(flags(net)) == {False}
        assert set(flags(net)) == {True}
    assert flags(net) == before


def test_batch_norm_statistics_move_in_train_mode_only() -> None:
    net = models.build("small_cnn", datasets.spec("digits"))
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with model_mode(net, training=False):
        net(torch.rand(4, 1, 8, 8))
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    with model_mode(net, training=True):
        net(torch.rand(4, 1, 8, 8))
    assert not torch.equal(net.get_buffer("stages.conv1.1.running_mean"), before["stages.conv1.1.running_mean"])


def test_frozen_weights_get_no_gradient_and_are_restored_after_the_block() -> None:
    net = models.build("small_cnn", datasets.spec("digits"))
    net.get_parameter("classifier.bias").requires_grad_(False)
    before = [parameter.requires_grad for parameter in net.parameters()]
    with frozen_weights(net):
        assert not net(torch.rand(4, 1, 8, 8)).requires_grad
    with pytest.raises(KeyError, match="lost"), frozen_weights(net):
        raise KeyError("lost")
    assert [parameter.requires_grad for parameter in net.parameters()] == before and len(set(before)) == 2
