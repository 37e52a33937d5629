"""Tests of PGD's contract: buffers, modes, parameters, `.grad`, inputs and the outer grad mode stay; wrong input is refused."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from rnc import datasets, models
from rnc.attacks import PGD, LinfBall, SampleNoise, ball_of
from rnc.vocabulary import Norm
from tests.oracles import samples


def real_network() -> models.FeatureClassifier:
    """The shipped network, with BatchNorm statistics that differ from those of the images."""
    torch.manual_seed(0)
    net = models.build("small_cnn", datasets.spec("digits"))
    net.train()
    with torch.no_grad():
        net(torch.rand(16, 1, 8, 8))
    return net


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return samples.images(0, 6, size=8, dtype=torch.float32), samples.labels(0, 6, 10)


def attack(net: nn.Module, norm: Norm = Norm.LINF) -> torch.Tensor:
    images, labels = batch()
    noise = SampleNoise(0, torch.arange(6))
    return PGD(ball_of(norm, 0.2), 3, 0.05, restarts=2).run(net, images, labels, noise)


def set_mixed_modes(net: nn.Module) -> None:
    for i, module in enumerate(net.modules()):
        module.training = i % 3 == 0


MODES: dict[str, Callable[[nn.Module], object]] = {
    "train": nn.Module.train,
    "eval": nn.Module.eval,
    "mixed": set_mixed_modes,
}


@pytest.mark.parametrize("norm", Norm)
def test_in_eval_mode_every_buffer_is_bit_equal_afterwards(norm: Norm) -> None:
    net = real_network().eval()
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    assert any("running_var" in name for name in before)
    attack(net, norm)
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_in_train_mode_buffers_move_because_the_caller_chose_it() -> None:
    net = real_network()
    before = {name: buffer.clone() for name, buffer in net.named_buffers() if "running_mean" in name}
    attack(net)
    assert all(not torch.equal(net.get_buffer(name), value) for name, value in before.items())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("has_grad", [False, True])
@pytest.mark.parametrize("outer_grad", [False, True])
def test_modes_parameters_and_grads_stay(mode: str, has_grad: bool, outer_grad: bool) -> None:
    net = real_network()
    MODES[mode](net)
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 0.25) if has_grad else None
    flags = [module.training for module in net.modules()]
    before = [parameter.detach().clone() for parameter in net.parameters()]
    with torch.set_grad_enabled(outer_grad):
        found = attack(net)
        assert torch.is_grad_enabled() is outer_grad
    assert not found.requires_grad and found.grad_fn is None
    assert [module.training for module in net.modules()] == flags
    for parameter, value in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, value) and parameter.requires_grad
        if has_grad:
            assert parameter.grad is not None and bool((parameter.grad == 0.25).all())
        else:
            assert parameter.grad is None


def test_an_outer_no_grad_changes_no_result() -> None:
    net = real_network().eval()
    expected = attack(net)
    with torch.no_grad():
        assert torch.equal(attack(net), expected)


def test_frozen_parameters_are_no_hindrance() -> None:
    net = real_network().eval()
    expected = attack(net)
    net.requires_grad_(False)
    assert torch.equal(attack(net), expected)


def test_images_and_start_are_not_written_to() -> None:
    net, images, labels = samples.mlp(), samples.images(0, 4), samples.labels(0, 4)
    start, images = images.clone().requires_grad_(True), images.requires_grad_(True)
    before = images.detach().clone()
    found = PGD(LinfBall(0.2), 3, 0.1, restarts=2).run(net, images, labels, start=start)
    assert torch.equal(images, before) and torch.equal(start, before)
    assert images.grad is None and start.grad is None and not found.requires_grad


def test_earlier_iterates_are_not_overwritten() -> None:
    net, images, labels = samples.mlp(), samples.images(0, 4), samples.labels(0, 4)
    seen, copies = [], []
    for step in PGD(LinfBall(0.2), 4, 0.05, restarts=2).iterates(net, images, labels):
        seen.append((step.images, step.kept))
        copies.append((step.images.clone(), step.kept.clone()))
    for kept, copied in zip(seen, copies, strict=True):
        assert torch.equal(kept[0], copied[0]) and torch.equal(kept[1], copied[1])


def refused(match: str, **changes: object) -> None:
    """`run` and `iterates` of a valid attack both raise ValueError for valid arguments with these changes."""
    attack = PGD(LinfBall(0.2), 2, 0.1)
    arguments = {"images": samples.images(0, 4), "labels": samples.labels(0, 4)} | changes
    with pytest.raises(ValueError, match=match):
        attack.run(samples.mlp(), **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=match):
        next(attack.iterates(samples.mlp(), **arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.01, 1.01, 2.0, math.nan, math.inf])
def test_pixels_outside_of_the_box_are_refused(value: float) -> None:
    images = samples.images(0, 4)
    images[2, 0, 1, 1] = value
    refused(r"pixels must be in \[0, 1\]", images=images)


def test_shapes_that_do_not_match_are_refused() -> None:
    images, labels = samples.images(0, 4), samples.labels(0, 4)
    refused(r"images must be \(N, c, h, w\)", images=images[0])
    refused(r"labels \(N,\)", labels=labels[:3])
    refused(r"labels \(N,\)", labels=labels[:, None])
    refused("start must have the shape of images", start=images[:3])
    refused("start must have the shape of images", start=images[0])
    refused("3 sample indices", generator=SampleNoise(0, torch.arange(3)))


def test_counts_and_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="steps >= 0"):
        PGD(LinfBall(0.2), -1, 0.1)
    with pytest.raises(ValueError, match="restarts >= 1"):
        PGD(LinfBall(0.2), 2, 0.1, restarts=0)
    for step_size in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="step_size > 0"):
            PGD(LinfBall(0.2), 2, step_size)
