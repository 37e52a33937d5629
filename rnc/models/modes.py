"""Run a block in a chosen BatchNorm mode and leave the network as it was found."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def model_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Switch every submodule to train or eval mode for a block, then restore each one's own flag."""
    flags = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, flag in flags.items():
            module.training = flag
