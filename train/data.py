"""From a config to the images of a run: which are trained on, which are measured, and what is foreign to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rnc import datasets
from rnc.datasets import ImageSet
from rnc.vocabulary import Split
from train.config import RunConfig
from train.epoch import TrainingSet
from train.measurement import MeasurementConfig
from train.probe import MeasuredSet

_FOREIGN_IMAGES = 1000  # at most, and no more than test images are measured: a mean needs no more
_NOISE_SEED = 0


@dataclass(frozen=True)
class RunData:
    """The sets of a run, on its device."""

    training: TrainingSet
    measured: dict[Split, MeasuredSet]
    foreign: ImageSet
    whole: dict[Split, ImageSet]
    """What was trained on and tested on, for the record; on the CPU."""
    shortages: list[str]
    """Sentences on the choices that are smaller than was asked for."""


def load_data(config: RunConfig, root: Path | None, device: torch.device) -> RunData:
    """Load a run's images. Raises ValueError where they are not found or are fewer than the config wants."""
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


def measured_positions(config: MeasurementConfig, part: ImageSet, num_classes: int) -> torch.Tensor:
    """The positions of the measured images: all, or a balanced choice where there are more than wanted."""
    if not config.measure_subset or config.measure_subset >= len(part):
        return torch.arange(len(part))
    return part.balanced_indices(config.measure_subset, num_classes)


def measured_set(
    config: MeasurementConfig,
    part: ImageSet,
    names: torch.Tensor,
    chosen: torch.Tensor,
    num_classes: int,
    device: torch.device,
) -> MeasuredSet:
    """The chosen images of a split, whose names (N,) in the data set are given, on a device."""
    images = part.take(chosen).to(device)
    return MeasuredSet.choose(images, names[chosen].to(device), config.sample_size, num_classes)


def shortages(part: ImageSet, classes: Sequence[str], subset: int, sample: int) -> list[str]:
    """Sentences on the choices that are smaller than was asked for because a class has too few images.

    `subset` images of a split are measured (0 is all) and the features of `sample` of them are kept, both as many of one
    class as of another.
    """
    label, rarest = part.rarest()
    balance = f"{rarest} of each class, for class {classes[label]} has no more"
    told, count = [], len(part)
    if 0 < subset < count and subset // len(classes) > rarest:
        told.append(
            f"{rarest * len(classes)} images are measured where {subset} were asked for: {balance}; "
            f"--measure-subset 0 measures all {count}"
        )
        count = rarest * len(classes)
    elif subset:
        count = min(subset, count)
    if min(sample, count) // len(classes) > rarest:
        told.append(f"the features of {rarest * len(classes)} images are kept where {sample} were asked for: {balance}")
    return told


def foreign_images(
    config: MeasurementConfig, image_shape: tuple[int, int, int], count: int, root: Path | None
) -> ImageSet:
    """Test images of another data set, or uniform noise; at most so many, and no more than a mean needs."""
    most = min(_FOREIGN_IMAGES, count)
    if config.ood_dataset != "noise":
        part = datasets.load(config.ood_dataset, Split.TEST, root)
        return part.take(part.balanced_indices(most, datasets.spec(config.ood_dataset).num_classes))
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    noise = torch.randint(256, (most, *image_shape), generator=generator, dtype=torch.uint8)
    return ImageSet(noise, torch.zeros(len(noise), dtype=torch.int64))


def _check_enough(wanted: int, part: ImageSet, num_classes: int, name: str) -> None:
    fewest = int(torch.bincount(part.labels, minlength=num_classes).min())
    if wanted < num_classes or wanted > fewest * num_classes:
        raise ValueError(
            f"{name} must be between {num_classes} and {fewest * num_classes}, as many of one class as of another; got {wanted}"
        )
