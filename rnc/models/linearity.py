"""Check that logits are W h + b on images far from those that W and b were read from.

Close to zero a sigmoid or tanh is almost linear, so that small logits alone would not tell it from a linear layer.

Tested by tests/rnc/models/test_functional_last_layer.py.
"""

from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from rnc.models.modes import model_mode
from rnc.models.outputs import OutputPosition, relative_difference, tensor_at
from rnc.models.traced_pass import random_images

_SCALES = (1.0, 1e2, 1e4, 1e6)
"""Factors of random images in [0, 1]; they spread the logits over a wide range."""


class LinearEnd(Protocol):
    """The linear end of a network: a layer, or a product that its forward computes."""

    @property
    def position_of_logits(self) -> OutputPosition:
        """Return the position of the logits in the network's output."""

    def record_inputs(self) -> AbstractContextManager[list[torch.Tensor]]:
        """Collect the inputs of the end within the block."""

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the features (N, d) from these inputs."""

    def weight_and_bias(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return W (C, d) and b (C,)."""


@torch.no_grad()
def largest_relative_difference(end: LinearEnd, module: nn.Module, image_shape: tuple[int, int, int]) -> float:
    """Return the largest difference of the logits from W h + b on such images, as a share of the largest logit.

    Images on which the logits are not finite are left out.
    """
    weight, bias = end.weight_and_bias()
    images = 1 - random_images(module, image_shape)
    worst = 0.0
    for scale in _SCALES:
        with model_mode(module, training=False), end.record_inputs() as inputs:
            output = module(scale * images)
        logits = tensor_at(output, end.position_of_logits)
        if bool(logits.isfinite().all()):
            worst = max(worst, relative_difference(functional.linear(end.features(inputs[-1]), weight, bias), logits))
    return worst
