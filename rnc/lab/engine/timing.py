"""Measurement of the time of a forward pass, for estimates before any request has run.

Tested by tests/rnc/lab/engine/test_loading.py.
"""

import time

import torch

from rnc.lab.engine.loading import AttackInputs
from rnc.lab.estimates import PASSES_PER_GRADIENT

IMAGES = 64
_LEAST_SECONDS = 0.2


def seconds_per_pass(inputs: AttackInputs) -> float:
    """Return the seconds per image of a forward pass, from repeated gradients of a batch after an unmeasured first one."""
    part = inputs.batched_positions()[0]
    images, labels = inputs.images[part], inputs.labels[part]
    _gradient(inputs, images, labels)
    began, repeats = time.monotonic(), 0
    while repeats == 0 or time.monotonic() - began < _LEAST_SECONDS:
        _gradient(inputs, images, labels)
        repeats += 1
    return (time.monotonic() - began) / (repeats * len(images) * PASSES_PER_GRADIENT)


def _gradient(inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor) -> None:
    with torch.enable_grad():
        pixels = images.detach().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(inputs.logits_fn(pixels), labels, reduction="sum")
        torch.autograd.grad(loss, pixels)[0].sum().item()  # item() waits for the GPU
