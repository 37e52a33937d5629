"""The images of a run's config: those for training, those measured, and out-of-distribution images."""

from dataclasses import dataclass
from pathlib import Path

import torch

from rnc import datasets
from rnc.datasets import ImageSet
from rnc.probe.measured_images import foreign_images, measured_positions, measured_set, shortages
from rnc.probe.probe import MeasuredSet
from rnc.vocabulary import Split
from train.config import RunConfig
from train.epoch import TrainingSet


@dataclass(frozen=True)
class RunData:
    """The image sets of a run, on its device."""

    training: TrainingSet
    measured: dict[Split, MeasuredSet]
    foreign: ImageSet
    whole: dict[Split, ImageSet]
    """The full train and test sets of the run, for its record; on the CPU."""
    shortages: list[str]
    """Sentences on the subsets that are smaller than requested."""


def load_data(config: RunConfig, root: Path | None, device: torch.device) -> RunData:
    """Load a run's images. Raises ValueError if they are not found or are fewer than the config requires."""
    num_classes = datasets.spec(config.dataset).num_classes
    whole = {split: datasets.load(config.dataset, split, root) for split in Split}
    names = {split: torch.arange(len(part)) for split, part in whole.items()}
    if config.subset:
        _check_enough(config.subset, whole[Split.TRAIN], num_classes, "subset")
        names[Split.TRAIN] = whole[Split.TRAIN].balanced_indices(config.subset, num_classes)
        whole[Split.TRAIN] = whole[Split.TRAIN].take(names[Split.TRAIN])
    chosen = {split: measured_positions(config, part, num_classes) for split, part in whole.items()}
    measured = {
        split: measured_set(config, part, names[split], chosen[split], num_classes, device)
        for split, part in whole.items()
    }
    train = Split.TRAIN
    training = TrainingSet(whole[train].to(device), names[train].to(device), chosen[train].to(device))
    shape, count = datasets.spec(config.dataset).image_shape, len(measured[Split.TEST].images)
    foreign = foreign_images(config, shape, count, root)
    told = [
        f"{split}: {sentence}"
        for split, part in whole.items()
        for sentence in shortages(
            part, datasets.spec(config.dataset).classes, config.measure_subset, config.sample_size
        )
    ]
    return RunData(training, measured, foreign.to(device), whole, told)


def _check_enough(wanted: int, part: ImageSet, num_classes: int, name: str) -> None:
    fewest = int(torch.bincount(part.labels, minlength=num_classes).min())
    if wanted < num_classes or wanted > fewest * num_classes:
        raise ValueError(
            f"{name} must be between {num_classes} and {fewest * num_classes}, as many of one class as of another; got {wanted}"
        )
