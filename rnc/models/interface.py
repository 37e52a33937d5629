"""What every network here is: pixels in; logits, penultimate features, stages, W and b out. It normalises inside."""

from collections.abc import Iterator

import torch
from torch import nn

from rnc.datasets import DatasetSpec


class FeatureClassifier(nn.Module):
    """Named stages, a pooling step and one linear layer: logits = W h + b, with h the penultimate features (N, d)."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, spec: DatasetSpec, stages: dict[str, nn.Module], pool: nn.Module, feature_size: int) -> None:
        """Take the stages in the order of their names; `pool` must bring the last one to (N, feature_size)."""
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.pool = pool
        self.classifier = nn.Linear(feature_size, spec.num_classes)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)

    @property
    def weight(self) -> torch.Tensor:
        """W (C, d)."""
        return self.classifier.weight

    @property
    def bias(self) -> torch.Tensor:
        """b (C,)."""
        return self.classifier.bias

    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (name, activation) of every stage for images (N, c, h, w) in [0, 1]."""
        x = (images - self.mean) / self.std
        for name, stage in self.stages.items():
            x = stage(x)
            yield name, x

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The penultimate features h (N, d)."""
        x = images
        for _name, x in self.activations(images):  # noqa: B007  (the last one is wanted)
            pass
        return self.pool(x)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits (N, C)."""
        return self.classifier(self.features(images))
