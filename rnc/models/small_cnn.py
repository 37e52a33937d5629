"""A small BatchNorm network for digit-size images: four 3x3 convolutions, one 2x2 max pool, global average pool."""

from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models.interface import StagedClassifier
from rnc.models.scaled_channel_counts import channels

WIDTHS = (16, 16, 32, 64)
_POOL_AFTER = 1  # index of the convolution before the max pool


def small_cnn(spec: DatasetSpec, width: float = 1.0) -> StagedClassifier:
    """Return a network with stages conv1 to conv4, each conv-BN-ReLU without bias; h is the average over the final map."""
    stages: dict[str, nn.Module] = {}
    before = spec.image_shape[0]
    for index, base in enumerate(WIDTHS):
        after = channels(base, width)
        layers = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        if index == _POOL_AFTER:
            layers.append(nn.MaxPool2d(2))
        stages[f"conv{index + 1}"] = nn.Sequential(*layers)
        before = after
    return StagedClassifier(spec, stages, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), before)
