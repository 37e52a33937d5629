"""Compare a network with a forward pass written by hand from its state dict: logits, gradients, moved statistics."""

from collections.abc import Callable

import torch
from torch.nn import functional

from rnc import models
from rnc.datasets import DatasetSpec
from tests.oracles import samples

State = dict[str, torch.Tensor]
ByHand = Callable[[DatasetSpec, State, torch.Tensor, bool], torch.Tensor]
"""(spec, state, images, training) to logits (N, C); moves the running statistics in `state` where it trains."""


def batch(spec: DatasetSpec, n: int = 3) -> torch.Tensor:
    """Float64 images of a data set's shape."""
    colours, size, _width = spec.image_shape
    return samples.images(1, n * colours, size=size).view(n, *spec.image_shape)


def normalised(spec: DatasetSpec, images: torch.Tensor) -> torch.Tensor:
    """Images minus mean over std, both float32 as every network holds them."""
    mean, std = torch.tensor(spec.mean), torch.tensor(spec.std)
    return (images - mean[:, None, None]) / std[:, None, None]


def shaken(name: str, spec: DatasetSpec) -> models.FeatureClassifier:
    """A narrow float64 network without the zeros and ones of an initialisation, behind which many mistakes hide."""
    torch.manual_seed(4)
    net = models.build(name, spec, 1 / 16).double()
    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if key.endswith(("bias", "running_mean")):
                tensor.normal_(std=0.3)
            elif tensor.dim() == 1:  # a BatchNorm's gain or running variance
                tensor.uniform_(0.5, 1.5)
    return net


def assert_same(name: str, spec: DatasetSpec, by_hand: ByHand, training: bool) -> None:
    """Logits, the gradient of a loss in the images, and the running statistics afterwards are those of `by_hand`."""
    net = shaken(name, spec).train(training)
    state = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    images, other = batch(spec).requires_grad_(), batch(spec).requires_grad_()
    found, expected = net(images), by_hand(spec, state, other, training)
    assert expected.std() > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(_gradient(found, images), _gradient(expected, other), rtol=1e-7, atol=1e-10)
    statistics = {key: tensor for key, tensor in net.state_dict().items() if "running" in key}
    torch.testing.assert_close(statistics, {key: state[key] for key in statistics}, rtol=1e-9, atol=1e-9)


def _gradient(logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(functional.log_softmax(logits, 1)[:, 0].sum(), images)
    return gradient
