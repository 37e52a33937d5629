"""The images of a run's config: those for training, those measured, and out-of-distribution images."""

from dataclasses import dataclass
from pathlib import Path

import torch

from rnc import datasets
from rnc.datasets import ImageSet
from rnc.probe.measured_images import MeasuredSet, measured_positions, measured_set, ood_images, shortages
from rnc.vocabulary import Split
from train.config import RunConfig


@dataclass(frozen=True)
class TrainingSet:
    """The training images, their sample indices (N,) in the data set, and the positions of the measured ones."""

    images: ImageSet
    sample_indices: torch.Tensor
    measured: torch.Tensor
    """Positions (n,) of the measured images."""


@dataclass(frozen=True)
class RunData:
    """The image sets of a run, on its device."""

    training: TrainingSet
    measured: dict[Split, MeasuredSet]
    ood_images: ImageSet
    full_sets: dict[Split, ImageSet]
    """The train and test sets of the run with all their images, for its record; on the CPU."""
    shortages: list[str]
    """Sentences on the subsets that are smaller than requested."""


def load_data(config: RunConfig, root: Path | None, device: torch.device) -> RunData:
    """Load a run's images. Raises ValueError if they are not found or are fewer than the config requires."""
    spec = datasets.spec(config.dataset)
    full_sets = {split: datasets.load(config.dataset, split, root) for split in Split}
    sample_indices = {split: torch.arange(len(part)) for split, part in full_sets.items()}
    train = Split.TRAIN
    if config.subset:
        _check_enough(config.subset, full_sets[train], spec.num_classes)
        sample_indices[train] = full_sets[train].balanced_indices(config.subset, spec.num_classes)
        full_sets[train] = full_sets[train].take(sample_indices[train])
    chosen = {split: measured_positions(config, part, spec.num_classes) for split, part in full_sets.items()}
    measured = {
        split: measured_set(config, part, sample_indices[split], chosen[split], spec.num_classes, device)
        for split, part in full_sets.items()
    }
    ood = ood_images(config, spec.image_shape, len(measured[Split.TEST].images), root)
    return RunData(
        training=TrainingSet(full_sets[train].to(device), sample_indices[train].to(device), chosen[train].to(device)),
        measured=measured,
        ood_images=ood.to(device),
        full_sets=full_sets,
        shortages=[
            f"{split}: {sentence}"
            for split, part in full_sets.items()
            for sentence in shortages(part, spec.classes, config.measure_subset, config.sample_size)
        ],
    )


def _check_enough(subset: int, part: ImageSet, num_classes: int) -> None:
    fewest = int(torch.bincount(part.labels, minlength=num_classes).min())
    if subset < num_classes or subset > fewest * num_classes:
        raise ValueError(
            f"subset must be between {num_classes} and {fewest * num_classes}, because it has equally many images of each "
            f"class; got {subset}"
        )
