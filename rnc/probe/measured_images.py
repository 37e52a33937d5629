"""The measured images of a run, balanced over the classes, and images of another distribution.

Tested by tests/rnc/probe/test_measure_epoch.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rnc import datasets
from rnc.datasets import ImageSet
from rnc.probe.measurement_config import MeasurementConfig
from rnc.vocabulary import Split

_MOST_OOD_IMAGES = 1000  # at most this many, and never more than the measured test images: enough for a mean
_NOISE_SEED = 0


@dataclass(frozen=True)
class MeasuredSet:
    """The measured images of a split, their sample indices (N,), and the positions of the stored vectors."""

    images: ImageSet
    sample_indices: torch.Tensor
    stored_positions: torch.Tensor

    @classmethod
    def choose(
        cls, images: ImageSet, sample_indices: torch.Tensor, sample_size: int, num_classes: int
    ) -> "MeasuredSet":
        """Choose `sample_size` vectors to store: the same in every epoch and condition, balanced over the classes."""
        return cls(images, sample_indices, images.balanced_indices(sample_size, num_classes))


@dataclass(frozen=True)
class TrainedImages:
    """The perturbed images (n, c, h, w) of an epoch in this process, and their positions (n,) in the measured set."""

    images: torch.Tensor
    positions: torch.Tensor


def measured_positions(config: MeasurementConfig, part: ImageSet, num_classes: int) -> torch.Tensor:
    """Return the positions of the measured images: all, or a balanced subset if there are more than `measure_subset`."""
    if not config.measure_subset or config.measure_subset >= len(part):
        return torch.arange(len(part))
    return part.balanced_indices(config.measure_subset, num_classes)


def measured_set(
    config: MeasurementConfig,
    part: ImageSet,
    sample_indices: torch.Tensor,
    chosen: torch.Tensor,
    num_classes: int,
    device: torch.device,
) -> MeasuredSet:
    """Return the chosen images of a split on a device; `sample_indices` (N,) are those of `part` in the data set."""
    images = part.take(chosen).to(device)
    return MeasuredSet.choose(images, sample_indices[chosen].to(device), config.sample_size, num_classes)


def shortages(part: ImageSet, classes: Sequence[str], subset: int, sample: int) -> list[str]:
    """Return sentences on the subsets that are smaller than requested because a class has too few images.

    `subset` images of a split are measured (0 is all) and the features of `sample` of them are kept, both balanced over
    the classes.
    """
    label, rarest = part.rarest_class()
    balance = f"{rarest} of each class, because class {classes[label]} has no more"
    sentences = []
    count = len(part)
    if 0 < subset < count and subset // len(classes) > rarest:
        sentences.append(
            f"{rarest * len(classes)} images are measured instead of the requested {subset}: {balance}; "
            f"--measure-subset 0 measures all {count}"
        )
        count = rarest * len(classes)
    elif subset:
        count = min(subset, count)
    if min(sample, count) // len(classes) > rarest:
        sentences.append(
            f"the features of {rarest * len(classes)} images are kept instead of the requested {sample}: {balance}"
        )
    return sentences


def ood_images(config: MeasurementConfig, image_shape: tuple[int, int, int], count: int, root: Path | None) -> ImageSet:
    """Return test images of another data set, or uniform noise: at most `count`, and at most as many as a mean needs."""
    most = min(_MOST_OOD_IMAGES, count)
    if config.ood_dataset != "noise":
        part = datasets.load(config.ood_dataset, Split.TEST, root)
        return part.take(part.balanced_indices(most, datasets.spec(config.ood_dataset).num_classes))
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    noise = torch.randint(256, (most, *image_shape), generator=generator, dtype=torch.uint8)
    return ImageSet(noise, torch.zeros(len(noise), dtype=torch.int64))
