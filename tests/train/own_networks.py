"""Networks as people bring them, small: images of 3 x 8 x 8 pixels and three classes unless asked otherwise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

HERE = "tests.train.own_networks"
SIDE, FEATURES = 8, 4 * 4 * 4


def body() -> nn.Sequential:
    """Images to features (N, 4, 4, 4)."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


def move_weights(net: nn.Module) -> None:
    """Give a network other weights, as training or a checkpoint does."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.3).add_(0.05 * torch.randn_like(parameter))


class Viewed(nn.Module):
    """LeNet's way: the feature map is flattened by `view`, which needs contiguous memory."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(FEATURES, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv(x)), 2)
        return self.fc(x.view(-1, FEATURES))


viewed = Viewed


class Headed(nn.Module):
    """A body and any last layer."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body(), head

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.body(x).flatten(1))


class CosineLinear(nn.Linear):
    """Weights and features of length 1, times a scale that is learnt."""

    def __init__(self, features: int, classes: int, scale: float = 7.0) -> None:
        super().__init__(features, classes, bias=False)
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * functional.linear(functional.normalize(x), functional.normalize(self.weight))


class NormedLinear(nn.Module):
    """As in LDAM's code: no nn.Linear, and the weights lie the other way round."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.normalize(x, dim=1).mm(functional.normalize(self.weight, dim=0))


class NormedWeights(nn.Linear):
    """Weights of length 1, features as they are, with a bias."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, 3 * functional.normalize(self.weight), self.bias)


class Outside(Headed):
    """The features are normalised before the layer, the logits scaled after it."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(FEATURES, 3, bias=False))
        self.temperature = nn.Parameter(torch.tensor(5.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.temperature * self.head(functional.normalize(self.body(x).flatten(1)))


class Functional(Headed):
    """The layer's weights are used, the layer is not called."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(self.body(x).flatten(1), self.head.weight)


class DropsOut(Headed):
    """Dropout that stays on."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(functional.dropout(self.body(x).flatten(1), 0.5, training=True))


class Squared(nn.Linear):
    """A layer that is not linear in what it takes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) ** 2


class Poly(nn.Module):
    """Logits and features, in whichever container."""

    def __init__(self, pack: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.body, self.fc, self.pack = body(), nn.Linear(FEATURES, 3), pack

    def forward(self, x: torch.Tensor) -> Any:
        h = self.body(x).flatten(1)
        return self.pack(self.fc(h), h)


@dataclass
class Output:
    """As transformers' outputs are: an object with the logits as an attribute."""

    logits: torch.Tensor
    hidden: torch.Tensor


def hooked(factor: float = 2.0) -> nn.Module:
    """The logits are changed by a hook on the last layer."""
    net = Headed(nn.Linear(FEATURES, 3))
    net.head.register_forward_hook(lambda _part, _inputs, output: factor * output)
    return net


def spectral(old: bool = False) -> nn.Module:
    """A last layer under spectral normalisation, of the old or the new kind."""
    layer = nn.Linear(FEATURES, 3)
    return Headed(nn.utils.spectral_norm(layer) if old else parametrizations.spectral_norm(layer))


def weight_normed(old: bool = False) -> nn.Module:
    """A last layer under weight normalisation, of the old or the new kind."""
    layer = nn.Linear(FEATURES, 3)
    return Headed(nn.utils.weight_norm(layer) if old else parametrizations.weight_norm(layer))


def cosine() -> nn.Module:
    """A cosine classifier."""
    return Headed(CosineLinear(FEATURES, 3))


def pair(num_classes: int = 3) -> nn.Module:
    """Gives (logits, features)."""
    assert num_classes == 3
    return Poly(lambda logits, h: (logits, h))


def anything(**options: Any) -> nn.Module:
    """Takes whatever it is given."""
    return chosen(**options)


def chosen(num_classes: int = 2, in_channels: int = 1, width: int = 4, *, act: str = "none") -> nn.Module:
    """Takes options; the defaults do not fit the images."""
    layers = [nn.Conv2d(in_channels, width, 3), {"relu": nn.ReLU(), "none": nn.Identity()}[act]]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


class Gated(nn.Linear):
    """Linear while its gate is 0."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes)
        self.gate = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits = super().forward(x)
        return logits + self.gate * logits**2


def gated() -> nn.Module:
    """A last layer that training may bend."""
    return Headed(Gated(FEATURES, 3))


def fixed(**options: Any) -> nn.Module:
    """Hands its options to what knows no number of classes."""
    return three(**options)


def three(in_channels: int = 1) -> nn.Module:
    """Of three classes."""
    return chosen(3, in_channels)
