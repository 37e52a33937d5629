"""Made-up data and small networks that the tests share; like the oracles, it imports nothing from `rnc`."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def simplex(num_classes: int, d: int, radius: float = 1.0, seed: int = 0) -> Floats:
    """C vertices (C, d) of length `radius` that sum to zero at equal angles, in a random direction of R^d, d >= C."""
    rotation = orthogonal(d, seed)[:num_classes]
    centred = np.eye(num_classes) - 1 / num_classes
    return radius * np.sqrt(num_classes / (num_classes - 1)) * centred @ rotation


def orthogonal(d: int, seed: int) -> Floats:
    """A random orthogonal matrix (d, d)."""
    q, _r = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return np.asarray(q, dtype=np.float64)


def clouds(seed: int, counts: list[int], d: int) -> tuple[Floats, Ints, Floats, Floats]:
    """Features (N, d), shuffled labels (N,) with `counts` samples a class, weight (C, d) and bias (C,)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)
    middle = rng.normal(size=d)
    centres = middle + 2.0 * rng.normal(size=(len(counts), d))
    features = centres[labels] + rng.normal(size=(len(labels), d)) * rng.uniform(0.2, 1.5)
    return features, labels, rng.normal(size=(len(counts), d)), rng.normal(size=len(counts))


def images(seed: int, n: int, size: int = 4, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Images (n, 1, size, size), some of whose pixels lie on 0 and 1."""
    values = np.random.default_rng(seed).uniform(-0.2, 1.2, (n, 1, size, size)).clip(0.0, 1.0)
    return torch.tensor(values, dtype=dtype)


def labels(seed: int, n: int, num_classes: int = 3) -> torch.Tensor:
    """Labels (n,)."""
    return torch.tensor(np.random.default_rng(seed + 1000).integers(0, num_classes, n))


def mlp(size: int = 4, num_classes: int = 3, seed: int = 0) -> nn.Module:
    """A smooth float64 network of one hidden layer, steep enough that gradients are not tiny."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(size * size, 12), nn.Tanh(), nn.Linear(12, num_classes)).double()
    return _steeper(net)


def conv_net(num_classes: int = 3, seed: int = 0) -> nn.Module:
    """A smooth float64 convolutional network."""
    torch.manual_seed(seed)
    return _steeper(
        nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(4, 4, 3, stride=2),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, num_classes),
        ).double()
    )


def _steeper(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3.0)
    return net
