"""TRADES' inner attack against the loop written out from the paper, sample by sample."""

import math

import pytest
import torch

from rnc.attacks import SampleNoise, TRADESAttack
from rnc.attacks.trades import TradesL2Ball
from rnc.vocabulary import Norm
from tests.oracles import samples

SEED, SIZE, STEPS = 5, 6, 4
EPSILON = {Norm.LINF: 0.1, Norm.L2: 0.8}
STEP_SIZE = 0.03


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return samples.images(0, SIZE, size=8), samples.labels(0, SIZE, 10)


def noise() -> SampleNoise:
    return SampleNoise(SEED, torch.arange(100, 100 + SIZE))


def network(images: torch.Tensor) -> torch.Tensor:
    """Ten smooth logits (N, 10) of images, in float64."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(10, 64, generator=generator, dtype=torch.float64)
    return torch.tanh(images.flatten(1) @ weight.T) * 3


def attacked(norm: Norm, logits_fn=network, epsilon: float | None = None, steps: int = STEPS) -> torch.Tensor:
    return TRADESAttack(norm, epsilon or EPSILON[norm], steps, STEP_SIZE).run(logits_fn, *batch(), noise())


def by_hand(norm: Norm, steps: int) -> torch.Tensor:
    """The attack by hand: KL written out, one image at a time, numbers of plain Python where they are scalars."""
    images, start, found = batch()[0], 0.001 * noise().normal(batch()[0].shape, batch()[0]), []
    epsilon = EPSILON[norm]
    for image, offset in zip(images, start, strict=True):
        p = network(image[None]).softmax(1)[0].detach()
        at = image + offset
        for _step in range(steps):
            at = at.detach().requires_grad_(True)
            q = network(at[None]).softmax(1)[0]
            (gradient,) = torch.autograd.grad((p * (p.log() - q.log())).sum(), at)
            if norm is Norm.LINF:
                at = at.detach() + STEP_SIZE * gradient.sign()
                at = torch.min(torch.max(at, image - epsilon), image + epsilon).clamp(0, 1)
            else:
                length = math.sqrt(float((gradient**2).sum()))
                at = shortened(image, at.detach() + 2 * epsilon / steps * gradient / length, epsilon)
        found.append(at.detach())
    return torch.stack(found)


def shortened(image: torch.Tensor, moved: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Clipped to [0, 1] first, then brought into the ball."""
    delta = moved.clamp(0, 1) - image
    return image + delta * min(1.0, epsilon / math.sqrt(float((delta**2).sum())))


@pytest.mark.parametrize("steps", [1, STEPS, 10])
@pytest.mark.parametrize("norm", Norm)
def test_it_is_the_loop_of_the_paper(norm: Norm, steps: int) -> None:
    assert torch.allclose(attacked(norm, steps=steps), by_hand(norm, steps), atol=1e-9)


@pytest.mark.parametrize("norm", Norm)
def test_it_raises_the_divergence_and_stays_in_ball_and_pixels(norm: Norm) -> None:
    images, perturbed = batch()[0], attacked(norm)
    delta = (perturbed - images).flatten(1)
    size = delta.abs().max() if norm is Norm.LINF else delta.norm(dim=1).max()
    assert float(size) <= EPSILON[norm] + 1e-12
    assert float(perturbed.min()) >= 0 and float(perturbed.max()) <= 1
    p, q = network(images).log_softmax(1), network(perturbed).log_softmax(1)
    assert float((p.exp() * (p - q)).sum(1).min()) > 0.01


@pytest.mark.parametrize("norm", Norm)
def test_labels_play_no_part(norm: Norm) -> None:
    images, labels = batch()
    other = TRADESAttack(norm, EPSILON[norm], STEPS, STEP_SIZE).run(network, images, labels.roll(1), noise())
    assert torch.equal(other, attacked(norm))


def test_where_the_gradient_vanishes_l2_steps_go_in_a_random_direction() -> None:
    """A constant network has no gradient anywhere; l_inf's sign is 0 there, and it stays where it started."""

    def flat(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :10] * 0

    images = batch()[0]
    moved = (attacked(Norm.L2, flat, steps=1) - images).flatten(1)
    start = 0.001 * noise().normal(images.shape, images).flatten(1)
    assert float(moved.norm(dim=1).min()) > 0.1
    cosines = torch.nn.functional.cosine_similarity(moved[:-1], moved[1:])
    assert float(cosines.abs().max()) < 0.9
    stayed = (attacked(Norm.LINF, flat) - images).flatten(1)
    assert float((stayed - start).abs().max()) < 0.005 and float(stayed.abs().max()) > 0


def test_only_samples_without_a_gradient_take_the_random_direction() -> None:
    ball = TradesL2Ball(1.0, torch.ones(2, 1, 2, 2))
    gradient = torch.zeros(2, 1, 2, 2)
    gradient[1, 0, 0, 0] = 3.0
    step = ball.ascent_step(gradient, 0.5)
    assert torch.allclose(step[0], torch.full((1, 2, 2), 0.25))
    assert torch.allclose(step[1].flatten(), torch.tensor([0.5, 0, 0, 0]))


@pytest.mark.parametrize("norm", Norm)
def test_a_samples_attack_depends_on_its_index_alone(norm: Norm) -> None:
    images, labels = batch()
    attack = TRADESAttack(norm, EPSILON[norm], STEPS, STEP_SIZE)
    part = attack.run(network, images[2:4], labels[2:4], SampleNoise(SEED, torch.arange(102, 104)))
    assert torch.allclose(part, attacked(norm)[2:4], atol=1e-9)


@pytest.mark.parametrize("norm", Norm)
def test_without_steps_it_is_the_start_within_the_range_of_pixels(norm: Norm) -> None:
    images, labels = batch()
    images = torch.where(images < 0.3, 0.0, torch.where(images > 0.7, 1.0, images))
    found = TRADESAttack(norm, EPSILON[norm], 0, STEP_SIZE).run(network, images, labels, noise())
    start = images + 0.001 * noise().normal(images.shape, images)
    assert float(start.min()) < 0 and float(start.max()) > 1
    assert torch.equal(found, start.clamp(0, 1))


def test_pixels_are_checked_unless_the_caller_knows_them() -> None:
    images, labels = batch()
    with pytest.raises(ValueError, match="pixels must be in"):
        TRADESAttack(Norm.LINF, 0.1, 1, STEP_SIZE).run(network, 2 * images, labels, noise())
    unchecked = TRADESAttack(Norm.LINF, 0.1, 1, STEP_SIZE, check_pixels=False)
    assert unchecked.run(network, 2 * images, labels, noise()).shape == images.shape
