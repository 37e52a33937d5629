"""The small network is the one that its docstring describes, and fits other image shapes and class counts."""

import itertools

import torch
from torch import nn

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from rnc.models.small_cnn import WIDTHS


def test_stages_and_sizes_on_digits() -> None:
    first, second, third, fourth = WIDTHS
    net = models.build("small_cnn", datasets.spec("digits")).eval()
    shapes = {name: tuple(x.shape[1:]) for name, x in net.activations(torch.rand(2, 1, 8, 8))}
    assert shapes == {"conv1": (first, 8, 8), "conv2": (second, 4, 4), "conv3": (third, 4, 4), "conv4": (fourth, 4, 4)}
    features = net.features(torch.rand(2, 1, 8, 8)).detach()
    assert features.shape == (2, fourth)
    assert float(features.min()) >= 0  # after ReLU


def test_parameters_are_counted() -> None:
    net = models.build("small_cnn", datasets.spec("digits"))
    convolutions = sum(9 * a * b for a, b in itertools.pairwise((1, *WIDTHS)))
    batch_norms = 2 * sum(WIDTHS)
    assert sum(p.numel() for p in net.parameters()) == convolutions + batch_norms + WIDTHS[-1] * 10 + 10
    assert all(module.bias is None for module in net.modules() if isinstance(module, nn.Conv2d))


def test_the_full_network_is_the_one_that_older_checkpoints_hold() -> None:
    """Names, order and shapes, written down: a file from before there were widths must still load."""
    shapes = [
        (name, tuple(x.shape)) for name, x in models.build("small_cnn", datasets.spec("digits")).state_dict().items()
    ]
    expected: list[tuple[str, tuple[int, ...]]] = []
    for number, (before, after) in enumerate([(1, 16), (16, 16), (16, 32), (32, 64)], start=1):
        stage = f"stages.conv{number}"
        expected.append((f"{stage}.0.weight", (after, before, 3, 3)))
        expected += [(f"{stage}.1.{part}", (after,)) for part in ("weight", "bias", "running_mean", "running_var")]
        expected.append((f"{stage}.1.num_batches_tracked", ()))
    assert shapes == [*expected, ("classifier.weight", (10, 64)), ("classifier.bias", (10,))]


def test_a_narrow_network_is_narrow_in_every_stage() -> None:
    net = models.build("small_cnn", datasets.spec("digits"), 0.25)
    sizes = {name: x.shape[1] for name, x in net.activations(torch.rand(2, 1, 8, 8))}
    assert sizes == {"conv1": 4, "conv2": 4, "conv3": 8, "conv4": 16}
    assert net.features(torch.rand(2, 1, 8, 8)).shape == (2, 16)


def test_other_images_and_classes_fit() -> None:
    spec = DatasetSpec("made", tuple("abc"), (3, 12, 10), (0.5,) * 3, (0.5,) * 3)
    net = models.build("small_cnn", spec)
    assert net(torch.rand(4, 3, 12, 10)).shape == (4, 3)
