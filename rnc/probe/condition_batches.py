"""The images of a measured set under one condition, batch by batch.

Tested by tests/rnc/probe/test_measure_epoch.py.
"""

from collections.abc import Iterable, Iterator

import torch

from rnc.attacks.from_condition import Perturbation, Perturbed
from rnc.features import FeatureSet, ImageBatch, feature_batches, perturbed_batches, stage_batches
from rnc.models import FeatureClassifier
from rnc.probe.measured_images import MeasuredSet


class ConditionBatches:
    """Perturbed images of a set, which can be replayed from the first batch as often as needed."""

    def __init__(
        self, measured: MeasuredSet, perturb: Perturbation, positions: list[torch.Tensor], *, keep: bool
    ) -> None:
        """Store the set, its perturbation and the positions of each batch; no image is perturbed yet.

        With `keep`, the images are perturbed once and kept, so that an attack does not run again in every pass.
        """
        self.without_gradient = torch.zeros((), dtype=torch.int64, device=measured.sample_indices.device)
        """The number of images for which the attack had no gradient, after the first pass."""
        self._measured = measured
        self._perturb = perturb
        self._positions = positions
        self._keep = keep
        self._kept: list[ImageBatch] | None = None

    def replay(self) -> Iterable[ImageBatch]:
        """Return all batches, from the first on."""
        if not self._keep:
            return self._perturbed()
        if self._kept is None:
            self._kept = list(self._perturbed())
        return self._kept

    def features(self, model: FeatureClassifier) -> list[FeatureSet]:
        """Return the features of each batch."""
        return list(feature_batches(model, self.replay()))

    def stages(self, model: FeatureClassifier) -> Iterator:
        """Yield the activations of every stage of each batch, as `stage_batches` does."""
        return stage_batches(model, self.replay())

    def _perturbed(self) -> Iterator[ImageBatch]:
        measured = self._measured
        return perturbed_batches(measured.images, self._perturb_and_count, measured.sample_indices, self._positions)

    def _perturb_and_count(self, images: torch.Tensor, labels: torch.Tensor, sample_indices: torch.Tensor) -> Perturbed:
        perturbed = self._perturb(images, labels, sample_indices)
        if perturbed.without_gradient is not None:
            self.without_gradient += perturbed.without_gradient.sum()
        return perturbed
