"""Networks as people bring them, small: images of 3 x 8 x 8 pixels and three classes unless asked otherwise."""

import torch
from torch import nn
from torch.nn import functional

HERE = "tests.train.own_networks"
SIDE, FEATURES = 8, 4 * 4 * 4


def body() -> nn.Sequential:
    """Images to features (N, 4, 4, 4)."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


class Viewed(nn.Module):
    """LeNet's way: the feature map is flattened by `view`, which needs contiguous memory."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(FEATURES, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv(x)), 2)
        return self.fc(x.view(-1, FEATURES))


viewed = Viewed
