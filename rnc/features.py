"""Run a network over a set of images under a perturbation: penultimate features, logits and the labels measured by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from rnc.models import FeatureClassifier

MEASURE_BATCH = 500


@dataclass(frozen=True)
class FeatureSet:
    """Features (N, d), logits (N, C), measured labels (N,) and true labels (N,), in the order of the images."""

    features: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    true: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """The network's decisions (N,)."""
        return self.logits.argmax(1)


def feature_batches(
    model: FeatureClassifier,
    images: torch.Tensor,
    labels: torch.Tensor,
    perturb: Callable,
    indices: torch.Tensor | None = None,
    batch_size: int = MEASURE_BATCH,
) -> Iterator[FeatureSet]:
    """Yield a FeatureSet per batch of images (N, c, h, w), perturbed by an `rnc.attacks.perturbation.Perturbation`.

    `indices` (N,) name the samples in their data set (0..N-1 where not given). The model's mode is the caller's choice.
    """
    indices = torch.arange(len(labels), device=labels.device) if indices is None else indices
    for part in torch.arange(len(labels), device=labels.device).split(batch_size):
        perturbed = perturb(images[part], labels[part], indices[part])
        with torch.no_grad():
            h = model.features(perturbed.images)
            yield FeatureSet(h, model.classifier(h), perturbed.labels, labels[part])


def gather(batches: Iterator[FeatureSet]) -> FeatureSet:
    """Join batches into one set."""
    parts = list(batches)
    return FeatureSet(*(torch.cat([getattr(p, f) for p in parts]) for f in ("features", "logits", "labels", "true")))
