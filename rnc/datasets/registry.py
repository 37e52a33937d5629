"""The one list of data sets. Pixels are in [0, 1] everywhere; mean and std are for the model that normalises inside."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rnc.datasets import digits
from rnc.vocabulary import Split


@dataclass(frozen=True)
class DatasetSpec:
    """What a model must know of a data set: class names, image shape (c, h, w), and per-channel mean and std of train."""

    name: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.classes)


@dataclass(frozen=True)
class ImageSet:
    """Images (N, c, h, w) float32 in [0, 1] and labels (N,) int64, in a fixed order: a sample's index is its name."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def balanced_indices(self, size: int, num_classes: int) -> torch.Tensor:
        """The sorted indices of at most `size` samples: the first of each class, as many of one as of another."""
        per_class = max(size // num_classes, 1)
        first = [(self.labels == c).nonzero().squeeze(1)[:per_class] for c in range(num_classes)]
        return torch.cat(first).sort().values

    def to(self, device: torch.device) -> "ImageSet":
        """The same set on a device."""
        return ImageSet(self.images.to(device), self.labels.to(device))


_DIGITS = DatasetSpec("digits", tuple("0123456789"), (1, 8, 8), digits.MEAN, digits.STD)
_REGISTRY: dict[str, tuple[DatasetSpec, Callable]] = {"digits": (_DIGITS, digits.load)}


def names() -> list[str]:
    """The data sets there are."""
    return sorted(_REGISTRY)


def spec(name: str) -> DatasetSpec:
    """The spec of a data set. Raises ValueError with the names there are."""
    if name not in _REGISTRY:
        raise ValueError(f"unknown dataset {name!r}; there are: {', '.join(names())}")
    return _REGISTRY[name][0]


def load(name: str, split: Split) -> ImageSet:
    """The images and labels of one split, on the CPU. Raises ValueError for an unknown name."""
    spec(name)
    images, labels = _REGISTRY[name][1](Split(split))
    return ImageSet(torch.from_numpy(images), torch.from_numpy(labels))
