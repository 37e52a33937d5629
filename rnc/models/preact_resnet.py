"""PreAct-ResNet-18 (He et al. 2016, "Identity Mappings in Deep Residual Networks"), as trained in the paper (section 2)."""

import torch
from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models.interface import StagedClassifier
from rnc.models.scaled_channel_counts import channels, is_large

CHANNELS = (64, 128, 256, 512)
_STRIDES = (1, 2, 2, 2)


class PreActBlock(nn.Module):
    """Twice BN-ReLU-conv3x3, plus a shortcut; if shapes differ, the shortcut is a 1x1 convolution of the first BN-ReLU."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        """Take the channel counts of input and output, and the stride of the first convolution."""
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(before), nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)  # applied only to the output of a BatchNorm
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        changes = stride != 1 or before != after
        self.shortcut = nn.Conv2d(before, after, 1, stride=stride, bias=False) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, before, h, w) to (n, after, h / stride, w / stride)."""
        activated = self.relu(self.bn1(x))
        beside = x if self.shortcut is None else self.shortcut(activated)
        return self.conv2(self.relu(self.bn2(self.conv1(activated)))) + beside


def preact_resnet18(spec: DatasetSpec, width: float = 1.0) -> StagedClassifier:
    """Return a network with stages stem, block1 to block8 and final (BN-ReLU); h is the average over the final map.

    Convolutions have no bias and PyTorch's default initialisation. Images of 64 px and more use a 7x7 stride-2 stem
    with BN-ReLU and a 3x3 stride-2 max pool, so the input of block1 is already activated. 11.17 M parameters at 32 px.
    """
    before = channels(CHANNELS[0], width)
    stages: dict[str, nn.Module] = {"stem": _stem(spec, before)}
    for base, group_stride in zip(CHANNELS, _STRIDES, strict=True):
        after = channels(base, width)
        for stride in (group_stride, 1):
            stages[f"block{len(stages)}"] = PreActBlock(before, after, stride)
            before = after
    stages["final"] = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(inplace=True))
    return StagedClassifier(spec, stages, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), before)


def _stem(spec: DatasetSpec, after: int) -> nn.Module:
    colours = spec.image_shape[0]
    if not is_large(spec):
        return nn.Conv2d(colours, after, 3, padding=1, bias=False)
    convolution = nn.Conv2d(colours, after, 7, stride=2, padding=3, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1))
