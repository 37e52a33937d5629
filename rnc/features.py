"""Evaluation of a network on a set of perturbed images: penultimate features, logits and labels."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

import torch

from rnc.datasets import ImageSet
from rnc.models import FeatureClassifier
from rnc.models.modes import model_mode
from rnc.vocabulary import FEATURES_LAYER, PIXELS_LAYER

MEASURE_BATCH = 500
_MOST_PIXELS = MEASURE_BATCH * 3 * 40 * 40
"""Upper bound of a batch's pixel values: larger images come in smaller batches, which bounds the memory of an attack."""


@dataclass(frozen=True)
class ImageBatch:
    """Images (n, c, h, w) in [0, 1], the labels (n,) used by the metrics, and the true labels (n,)."""

    images: torch.Tensor
    labels: torch.Tensor
    true: torch.Tensor


@dataclass(frozen=True)
class FeatureSet:
    """Features (N, d), logits (N, C), labels (N,) used by the metrics and true labels (N,), in the order of the images."""

    features: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor
    true: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """Return the network's predictions (N,)."""
        return self.logits.argmax(1)

    def to(self, device: torch.device | str) -> "FeatureSet":
        """Return a copy of the set on a device."""
        return FeatureSet(*(part.to(device) for part in (self.features, self.logits, self.labels, self.true)))

    def relabelled(self) -> "FeatureSet":
        """Return the same features, labelled by the network's predictions."""
        return replace(self, labels=self.predicted)


def positions(count: int, batch_size: int = MEASURE_BATCH) -> list[torch.Tensor]:
    """Return the positions 0..count-1, split into batches."""
    return list(torch.arange(count).split(batch_size))


def batch_size(image_shape: tuple[int, ...]) -> int:
    """Return the batch size for images (c, h, w): MEASURE_BATCH up to 40 px, 15 at 224 px."""
    return max(1, min(MEASURE_BATCH, _MOST_PIXELS // math.prod(image_shape)))


def perturbed_batches(
    data: ImageSet,
    perturb: Callable,
    sample_indices: torch.Tensor | None = None,
    batch_positions: list[torch.Tensor] | None = None,
) -> Iterator[ImageBatch]:
    """Yield batches of a data set, perturbed by an `rnc.attacks.from_condition.Perturbation`.

    `sample_indices` (N,) are the indices of its samples in the whole data set (0..N-1 by default), `batch_positions` the
    positions of each batch in `data` (by default, batches as large as memory allows).
    """
    device = data.labels.device
    sample_indices = torch.arange(len(data), device=device) if sample_indices is None else sample_indices
    for part in positions(len(data), batch_size(data.images.shape[1:])) if batch_positions is None else batch_positions:
        part = part.to(device)
        perturbed = perturb(data.pixels(part), data.labels[part], sample_indices[part])
        yield ImageBatch(perturbed.images, perturbed.labels, data.labels[part])


def feature_batches(model: FeatureClassifier, batches: Iterable[ImageBatch]) -> Iterator[FeatureSet]:
    """Yield one FeatureSet per batch. The caller sets the model's mode."""
    for batch in batches:
        with torch.no_grad():
            h = model.features(batch.images)
            yield FeatureSet(h, model.logits_of(h), batch.labels, batch.true)


def stage_batches(
    model: FeatureClassifier, batches: Iterable[ImageBatch]
) -> Iterator[tuple[Iterator[tuple[str, torch.Tensor]], torch.Tensor]]:
    """Yield, for each batch, an iterator over named activations (n, ...), beginning with the pixels, and the labels (n,)."""
    for batch in batches:
        yield chain([(PIXELS_LAYER, batch.images)], model.activations(batch.images)), batch.labels


@torch.no_grad()
def stage_sizes(model: FeatureClassifier, image: torch.Tensor) -> list[tuple[str, int]]:
    """Return (name, flattened size) of the input, of each stage and of the penultimate features, for one image (1, c, h, w)."""
    with model_mode(model, training=False):
        stages = [(name, activation.numel()) for name, activation in model.activations(image)]
    return [(PIXELS_LAYER, image.numel()), *stages, (FEATURES_LAYER, model.weight.shape[1])]


def gather(batches: Iterable[FeatureSet]) -> FeatureSet:
    """Join batches into one set."""
    parts = list(batches)
    return FeatureSet(*(torch.cat([getattr(p, f) for p in parts]) for f in ("features", "logits", "labels", "true")))
