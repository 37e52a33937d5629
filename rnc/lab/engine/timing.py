"""Measurement of the speed of a network, for estimates before any request has run.

Tested by tests/rnc/lab/engine/test_loading.py.
"""

import time
from collections.abc import Callable

import torch

from rnc import metrics
from rnc.lab.engine import collapse_under_attack
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.estimates import PASSES_PER_GRADIENT, NetworkSpeed

IMAGES = 300
_LEAST_SECONDS = 0.2


def network_speed(inputs: AttackInputs) -> NetworkSpeed:
    """Return the seconds of a forward pass of an image, from gradients of a batch, and of the metrics of all images.

    The first gradient and the first metrics are not measured, because they prepare what later ones use.
    """
    part = inputs.batched_positions()[0]
    images, labels = inputs.images[part], inputs.labels[part]
    gradient_seconds = _seconds_of(lambda: _gradient(inputs, images, labels))
    features = inputs.features(images)
    means = metrics.class_means([(features.features, labels)], inputs.num_classes)
    measurement_seconds = _seconds_of(
        lambda: collapse_under_attack.frame_metrics(inputs, means, features, labels), least_seconds=0.0
    )
    return NetworkSpeed(gradient_seconds / (len(images) * PASSES_PER_GRADIENT), measurement_seconds)


def _seconds_of(work: Callable[[], object], least_seconds: float = _LEAST_SECONDS) -> float:
    """Return the mean seconds of some work that is repeated until the least time is over, after an unmeasured first time."""
    work()
    began, repeats = time.monotonic(), 0
    while repeats == 0 or time.monotonic() - began < least_seconds:
        work()
        repeats += 1
    return (time.monotonic() - began) / repeats


def _gradient(inputs: AttackInputs, images: torch.Tensor, labels: torch.Tensor) -> None:
    with torch.enable_grad():
        pixels = images.detach().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(inputs.logits_fn(pixels), labels, reduction="sum")
        torch.autograd.grad(loss, pixels)[0].sum().item()  # item() waits for the GPU
