"""Contexts that run a block in a chosen mode and then restore the network's state."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def model_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Switch every submodule to train or eval mode for a block, then restore the flag of each."""
    flags = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag


@contextmanager
def frozen_weights(model: nn.Module) -> Iterator[None]:
    """Disable gradients of all parameters for a block: a compiled network would compute them in every attack on images."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
