"""Inputs on digits: a network with statistics but no training, an honestly trained one, and ones that mask gradients."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import nn

from rnc import datasets, models
from rnc.lab.engine.loading import AttackInputs
from rnc.vocabulary import Split


def inputs_of(net: nn.Module, count: int, dtype: torch.dtype = torch.float32) -> AttackInputs:
    everything = datasets.load("digits", Split.TEST)
    indices = everything.balanced_indices(count, 10)
    pixels = everything.pixels(indices).to(dtype)
    return AttackInputs(net.to(dtype).eval(), pixels, everything.labels[indices], indices, 10)  # type: ignore[arg-type]


def untrained(count: int = 40) -> AttackInputs:
    """In float64, so that results do not depend on batches by more than rounding."""
    torch.manual_seed(5)
    net = models.build("small_cnn", datasets.spec("digits"), 0.5)
    with torch.no_grad():
        for _pass in range(20):
            net.train()(datasets.load("digits", Split.TRAIN).pixels()[:100])
        net.classifier.weight.mul_(5)
    return inputs_of(net, count, torch.float64)


def trained(count: int = 200) -> AttackInputs:
    """Some epochs of Adam: over 95 % right."""
    torch.manual_seed(1)
    net = models.build("small_cnn", datasets.spec("digits"), 0.5).train()
    data, optimiser = datasets.load("digits", Split.TRAIN), torch.optim.Adam(net.parameters(), 5e-3)
    pixels = data.pixels()
    for _epoch in range(8):
        for part in torch.randperm(len(data)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(pixels[part]), data.labels[part]).backward()
            optimiser.step()
    return inputs_of(net.requires_grad_(True), count)


class Before(nn.Module):
    """A network behind a function of the pixels."""

    def __init__(self, net: models.FeatureClassifier, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.net, self.function, self.classifier = net, function, net.classifier
        self.weight, self.bias = net.weight, net.bias

    def activations(self, images: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        return self.net.activations(self.function(images))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.net.features(self.function(images))

    def logits_of(self, features: torch.Tensor) -> torch.Tensor:
        return self.classifier(features)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits_of(self.features(images))


def behind(inputs: AttackInputs, function: Callable[[torch.Tensor], torch.Tensor]) -> AttackInputs:
    return replace(inputs, model=Before(inputs.model, function))  # type: ignore[arg-type]


def quantised(inputs: AttackInputs, levels: int = 4) -> AttackInputs:
    """Pixels in steps: the gradient is 0 wherever it exists, the network as weak as before."""
    return behind(inputs, lambda images: (images * levels).round() / levels)


def rippled(inputs: AttackInputs) -> AttackInputs:
    """A ripple on the pixels whose slope is right at the pixels of clean digits, sixteenths, and misleads between them."""
    turn = 2 * torch.pi * 16
    return behind(inputs, lambda images: images + 3 * torch.sin(turn * images) / turn)
