"""Small networks of the kinds that people bring, for images of 3 x 32 x 32 pixels, as `--model` names them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

HERE = "tests.train.user_networks"
SIDE, FEATURES = 32, 12


class LeNet(nn.Module):
    """LeNet of many tutorials, small: a feature map of 4 x 5 x 5 is flattened by `view`."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 3, 5), nn.Conv2d(3, 4, 5)
        self.fc1, self.fc2 = nn.Linear(4 * 5 * 5, FEATURES), nn.Linear(FEATURES, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.view(-1, 4 * 5 * 5))))


lenet = LeNet


def body() -> nn.Sequential:
    """Images to features (N, 12)."""
    layers = [nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, FEATURES, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Cosine(nn.Module):
    """A last layer of normalised features and weights, times a scale."""

    def __init__(self, features: int, classes: int, scale: float = 16.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, features))
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * functional.linear(functional.normalize(x), functional.normalize(self.weight))


class WithHead(nn.Module):
    """A body and a last layer that is a module."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body(), head

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.body(x))


class CosineInForward(nn.Module):
    """The same computed in the network's own forward, from a parameter of its own."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.body, self.prototypes = body(), nn.Parameter(torch.randn(num_classes, FEATURES))
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.normalize(self.body(x), dim=1)
        return self.log_scale.exp() * (h @ functional.normalize(self.prototypes, dim=1).t())


class CosineOfLinear(WithHead):
    """The same from the weights of an nn.Linear that is never called."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20.0 * functional.linear(functional.normalize(self.body(x)), functional.normalize(self.head.weight))


@dataclass
class Output:
    """An object with the logits as an attribute."""

    hidden: torch.Tensor
    logits: torch.Tensor


class Packed(WithHead):
    """Gives the logits beside the features, in a container."""

    def __init__(self, num_classes: int, kind: str) -> None:
        super().__init__(nn.Linear(FEATURES, num_classes))
        self.kind = kind

    def forward(self, x: torch.Tensor) -> Any:
        h = self.body(x)
        logits = self.head(h)
        return {"pair": (logits, h), "dict": {"hidden": h, "logits": logits}, "object": Output(h, logits)}[self.kind]


def cosine(num_classes: int) -> nn.Module:
    """A cosine classifier whose last layer is a module."""
    return WithHead(Cosine(FEATURES, num_classes))


cosine_in_forward = CosineInForward


def cosine_of_linear(num_classes: int) -> nn.Module:
    """A cosine classifier computed from an nn.Linear's weights."""
    return CosineOfLinear(nn.Linear(FEATURES, num_classes, bias=False))


def packed(num_classes: int, kind: str) -> nn.Module:
    """Gives a pair, a dict or an object."""
    return Packed(num_classes, kind)


def plain(num_classes: int = 10, width: int = FEATURES) -> nn.Sequential:
    """A small residual-free network that ends in nn.Linear; `width` features."""
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, width, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
