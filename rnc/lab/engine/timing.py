"""Measurement of the time of a forward pass, for estimates before any request has run."""

import time

import torch

from rnc.lab.engine.loading import Subject
from rnc.lab.estimates import GRADIENT

IMAGES = 64
_LEAST_SECONDS = 0.2


def seconds_a_pass(subject: Subject) -> float:
    """Return the seconds per image of a forward pass, from repeated gradients of a batch after an unmeasured first one."""
    part = subject.batches()[0]
    images, labels = subject.images[part], subject.labels[part]
    _gradient(subject, images, labels)
    began, repeats = time.monotonic(), 0
    while repeats == 0 or time.monotonic() - began < _LEAST_SECONDS:
        _gradient(subject, images, labels)
        repeats += 1
    return (time.monotonic() - began) / (repeats * len(images) * GRADIENT)


def _gradient(subject: Subject, images: torch.Tensor, labels: torch.Tensor) -> None:
    with torch.enable_grad():
        pixels = images.detach().requires_grad_(True)
        loss = torch.nn.functional.cross_entropy(subject.logits_fn(pixels), labels, reduction="sum")
        torch.autograd.grad(loss, pixels)[0].sum().item()  # item() waits for the GPU
