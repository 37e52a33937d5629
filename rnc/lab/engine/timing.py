"""How long a pass of an image through a network takes, for estimates before anything has run."""

import time

import torch

from rnc.lab.engine.loading import Subject
from rnc.lab.estimates import GRADIENT

IMAGES = 64
_LEAST_SECONDS = 0.2


def seconds_a_pass(subject: Subject) -> float:
    """Seconds for one image to pass forward once: that of gradients of one batch, repeated a little, after a first."""
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
        torch.autograd.grad(loss, pixels)[0].sum().item()  # (item: a GPU is waited for)
