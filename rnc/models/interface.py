"""The interface of every network: from pixels to logits, penultimate features, stages, W and b. It normalises inside."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from rnc.datasets import DatasetSpec


class FeatureClassifier(nn.Module):
    """A network whose last layer is linear: logits = W h + b, with h the penultimate features (N, d)."""

    mean: torch.Tensor
    std: torch.Tensor
    classifier: nn.Linear

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Store the mean and std that normalise pixels, one number per channel."""
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """Return W (C, d)."""
        return self.classifier.weight

    @property
    def bias(self) -> torch.Tensor:
        """Return b (C,); zeros if the layer has no bias."""
        weight, bias = self.classifier.weight, self.classifier.bias
        return weight.new_zeros(len(weight)) if bias is None else bias

    def logits_of(self, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, C) of penultimate features (N, d)."""
        return self.classifier(features)

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (N, c, h, w) in [0, 1] as normalised for the layers."""
        return (images - self.mean) / self.std

    @abstractmethod
    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, activation) of every stage for images (N, c, h, w) in [0, 1]."""

    @abstractmethod
    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features h (N, d)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, C)."""
        return self.classifier(self.features(images))


class StagedClassifier(FeatureClassifier):
    """Named stages, a pooling step and the linear layer, in sequence."""

    def __init__(self, spec: DatasetSpec, stages: dict[str, nn.Module], pool: nn.Module, feature_size: int) -> None:
        """Store the stages in the order of their names; `pool` must map the last one to (N, feature_size)."""
        super().__init__(spec.mean, spec.std)
        self.stages = nn.ModuleDict(stages)
        self.pool = pool
        self.classifier = nn.Linear(feature_size, spec.num_classes)

    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, activation) of every stage for images (N, c, h, w) in [0, 1]."""
        x = self.normalised(images)
        for name, stage in self.stages.items():
            x = stage(x)
            yield name, x

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features h (N, d)."""
        x = images
        for _name, x in self.activations(images):  # noqa: B007  (the last one is wanted)
            pass
        return self.pool(x)
