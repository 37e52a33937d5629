"""Attacks on networks that are sure of their decisions: any gradient that is not 0 gives a full step, and 0s are counted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnc.attacks import PGD, LinfBall, SampleNoise, TRADESAttack, attack_steps, ball_of, perturbation
from rnc.attacks.losses import dlr, targeted_dlr_from
from rnc.attacks.mi_fgsm import l1_normalised
from rnc.attacks.norm_balls import amplitudes, norms, scale_to
from rnc.attacks.trades import TradesL2Ball
from rnc.conditions import Condition, no_gradient_message
from rnc.vocabulary import Norm
from tests.examples import examples
from tests.oracles import pgd_oracle as oracle
from tests.oracles import samples

SHAPE = (4, 2, 3, 3)
EVERY_L2 = (
    "pgd-l2-0.5-5",
    "fgsm-l2-0.5",
    "pgd-l2-0.5-5-step0.1-momentum1",
    "apgd-l2-0.5-5-margin",
    "pgd-l2-0.5-5-next",
    "pgd-l2-0.5-5-likely",
)


def gradients(seed: int, exponent: int, dtype: torch.dtype) -> torch.Tensor:
    """Random gradients of about 2^exponent, the first sample 0."""
    found = np.random.default_rng(seed).normal(size=SHAPE) * 2.0**exponent
    found[0] = 0
    return torch.tensor(found).to(dtype)


@examples(60)
@given(seed=st.integers(0, 1000), exponent=st.integers(-126, 120), single=st.booleans(), step_size=st.floats(1e-3, 2.0))
@example(seed=0, exponent=-140, single=True, step_size=0.25)
def test_a_step_is_full_at_any_scale(seed: int, exponent: int, single: bool, step_size: float) -> None:
    gradient = gradients(seed, exponent, torch.float32 if single else torch.float64)
    found = ball_of(Norm.L2, 1.0).ascent_step(gradient, step_size)
    assert found.dtype == gradient.dtype and not found[0].any()
    np.testing.assert_allclose(found.double().flatten(1).norm(dim=1)[1:].numpy(), step_size, rtol=1e-6)
    expected = np.stack([oracle.step_along(g, "l2", step_size) for g in gradient.double().numpy()])
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=1e-5 if single else 1e-12, atol=1e-7)


@examples(40)
@given(seed=st.integers(0, 1000), exponent=st.integers(-120, 120))
def test_norms_and_lengths_know_no_scale(seed: int, exponent: int) -> None:
    x = gradients(seed, exponent, torch.float32)
    expected = [math.hypot(*sample) for sample in x.double().flatten(1).tolist()]
    np.testing.assert_allclose(norms(x).double().numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(norms(scale_to(x, 0.75))[1:].numpy(), 0.75, rtol=1e-6)
    assert amplitudes(x).tolist() == [max(map(abs, sample)) for sample in x.flatten(1).tolist()]


@examples(60)
@given(
    seed=st.integers(0, 1000),
    exponent=st.integers(-110, 5),
    share=st.floats(0.01, 20),
    single=st.booleans(),
)
def test_projection_in_l2_is_exact(seed: int, exponent: int, share: float, single: bool) -> None:
    """Changes within the ball stay as they are, bit for bit; longer ones come to length epsilon, to a few last digits."""
    dtype, epsilon = torch.float32 if single else torch.float64, share * 2.0**exponent
    delta = gradients(seed, exponent, dtype)
    found, few = ball_of(Norm.L2, epsilon).project(delta), 4 * torch.finfo(dtype).eps
    for before, after in zip(delta, found, strict=True):
        length = math.hypot(*before.double().flatten().tolist())
        if length <= epsilon:
            assert torch.equal(before, after)
        else:
            assert math.hypot(*after.double().flatten().tolist()) <= epsilon * (1 + few)
            expected = before.double() * (epsilon / length)
            torch.testing.assert_close(after.double(), expected, rtol=few, atol=few * epsilon)


def test_projection_in_l2_is_exact_for_large_images() -> None:
    """A sum of 150,528 squares in float32 loses more than a few digits."""
    delta = torch.rand(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    for found in (delta, delta.contiguous(memory_format=torch.channels_last)):
        lengths = ball_of(Norm.L2, 6.0).project(found).double().flatten(1).norm(dim=1)
        np.testing.assert_allclose(lengths.numpy(), 6.0, rtol=2e-7)


def network(scale: float):
    """Logits of float32 images; at scales of 1e-12 and less the gradients are those of a network sure of itself."""
    net = samples.mlp(num_classes=5).float()
    return lambda images: scale * net(images)


def change(slug: str, scale: float) -> torch.Tensor:
    """Return the distance by which each image is moved, (N,)."""
    images, labels = samples.images(0, 6, dtype=torch.float32) * 0.1 + 0.45, samples.labels(0, 6, 5)
    perturb = perturbation(Condition.from_slug(slug), network(scale), 5, 1)
    return (perturb(images, labels, torch.arange(6)).images - images).flatten(1).norm(dim=1)


@pytest.mark.parametrize("slug", EVERY_L2)
def test_every_l2_attack_goes_as_far_with_the_smallest_gradients(slug: str) -> None:
    torch.testing.assert_close(change(slug, 1e-30), change(slug, 1e-4), rtol=0.2, atol=0)
    assert float(change(slug, 1e-30).min()) > 0.3


@pytest.mark.parametrize("exponent", [-147, -130, 0, 100])
def test_momentum_gathers_directions_of_one_length(exponent: int) -> None:
    """Also where a gradient's sum of absolute entries is below the smallest normal number of float32."""
    found = l1_normalised(8 * gradients(0, exponent, torch.float32))
    assert not found[0].any()
    np.testing.assert_allclose(found[1:].abs().sum((1, 2, 3)).numpy(), 1.0, rtol=1e-6)


def test_trades_takes_the_gradient_where_there_is_one() -> None:
    """However small; the random direction is for a gradient of exactly 0."""
    ball = TradesL2Ball(1.0, torch.ones(2, 1, 2, 2))
    gradient = torch.zeros(2, 1, 2, 2)
    gradient[1, 0, 0, 0] = 1e-40
    step = ball.ascent_step(gradient, 0.5)
    assert torch.allclose(step[0], torch.full((1, 2, 2), 0.25))
    assert torch.allclose(step[1].flatten(), torch.tensor([0.5, 0, 0, 0]))


def test_trades_l2_attack_goes_as_far_with_the_smallest_gradients() -> None:
    images, labels = samples.images(0, 6, dtype=torch.float32) * 0.1 + 0.45, samples.labels(0, 6, 5)
    moved = [
        TRADESAttack(Norm.L2, 0.5, 5, 0.1).run(network(scale), images, labels, SampleNoise(1, torch.arange(6)))
        for scale in (1e-2, 1e-6)
    ]
    lengths = [(end - images).flatten(1).norm(dim=1) for end in moved]
    assert float(lengths[1].min()) > 0.3
    torch.testing.assert_close(*lengths, rtol=0.2, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ratio_knows_no_scale(dtype: torch.dtype) -> None:
    """Nothing is added to a difference of logits that is not 0."""
    logits, labels = torch.tensor([[3.0, 1.5, -2.0, 0.25, 1.0]], dtype=dtype), torch.tensor([1])
    for objective in (dlr, targeted_dlr_from(torch.tensor([0]))):
        assert torch.equal(objective(logits * 2.0**-60, labels), objective(logits, labels))
        assert objective(torch.zeros_like(logits), labels).isfinite().all()


def certain(images: torch.Tensor) -> torch.Tensor:
    """Ten logits (N, 10): of an image whose first pixel is bright, one is larger than the others by 1,000."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(10, images[0].numel(), generator=generator)
    logits = images.flatten(1) @ weight.T
    bright = (images[:, 0, 0, 0] > 0.5).to(images.dtype)[:, None]
    return logits + 1000 * bright * torch.nn.functional.one_hot(torch.tensor(3), 10)


@pytest.mark.parametrize("slug", ["pgd-linf-0.1-3", "pgd-l2-0.1-3-restarts2", "apgd-l2-0.1-4", "fgsm-linf-0.1"])
def test_images_without_a_gradient_are_counted(slug: str) -> None:
    images = torch.full((4, 1, 3, 3), 0.25)
    images[1:3, 0, 0, 0] = 0.9
    labels = torch.tensor([3, 3, 3, 0])
    made = perturbation(Condition.from_slug(slug), certain, 10, 0)(images, labels, torch.arange(4))
    assert made.without_gradient is not None and made.without_gradient.tolist() == [False, True, True, False]


def test_a_gradient_in_one_restart_is_a_gradient() -> None:
    """An image counts only where no restart has met one."""
    images, labels = torch.full((64, 1, 3, 3), 0.5), torch.full((64,), 3)
    attack = PGD(LinfBall(0.2), 1, 0.01, restarts=2)
    path = list(attack.iterates(certain, images, labels, SampleNoise(0, torch.arange(64))))
    assert path[0].without_gradient is None and path[1].without_gradient is not None
    first, both = int(path[1].without_gradient.sum()), path[-1].without_gradient
    assert both is not None and 0 < int(both.sum()) < first < 64


def test_what_follows_no_gradient_counts_none() -> None:
    images, labels = torch.full((2, 1, 3, 3), 0.5), torch.zeros(2, dtype=torch.int64)
    for slug in ("clean", "gaussian-linf-0.1", "pgd-linf-0.1-0"):
        (found,) = attack_steps(Condition.from_slug(slug), certain, images, labels, 10)
        assert found.without_gradient is None


def test_the_count_is_said_in_words() -> None:
    asked = Condition.from_slug("pgd-linf-0.1-3")
    assert no_gradient_message(asked, 0, 500) is None
    told = no_gradient_message(asked, 97, 500)
    assert told == (
        "for 97 of 500 images the gradient of cross_entropy is exactly 0 in float32: PGD-3, ℓ∞ ε = 0.1 could not move "
        "them; an attack on margin or dlr may"
    )
    assert (
        "can"
        not in (no_gradient_message(Condition.from_slug("pgd-linf-0.1-3-margin"), 1, 2) or "").split("could not move")[
            1
        ]
    )
