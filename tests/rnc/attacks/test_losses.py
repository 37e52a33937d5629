"""The losses of attacks equal their formulas written as loops, and PGD raises the KL divergence of TRADES."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks import (
    PGD,
    LinfBall,
    SampleNoise,
    ball_of,
    cross_entropy,
    dlr,
    kl_from,
    margin,
    targeted_dlr_from,
)
from rnc.vocabulary import Norm
from tests.examples import examples
from tests.oracles import attack_oracle, samples
from tests.oracles import collapse_oracle as oracle


def logits(seed: int, n: int = 6, num_classes: int = 4) -> torch.Tensor:
    return torch.tensor(3 * np.random.default_rng(seed).normal(size=(n, num_classes)))


@examples(30)
@given(seed=st.integers(0, 10_000))
def test_cross_entropy_is_one_value_a_sample(seed: int) -> None:
    z, y = logits(seed), samples.labels(seed, 6, 4)
    expected = [oracle.cross_entropy(row, int(label)) for row, label in zip(z.numpy(), y, strict=True)]
    np.testing.assert_allclose(cross_entropy(z, y).numpy(), expected, rtol=1e-9)


@examples(30)
@given(seed=st.integers(0, 10_000))
def test_kl_agrees_with_the_formula_and_takes_no_part_of_the_labels(seed: int) -> None:
    clean, other = logits(seed), logits(seed + 1)
    found = kl_from(clean)(other, samples.labels(seed, 6, 4))
    expected = [oracle.kl(p, q) for p, q in zip(clean.numpy(), other.numpy(), strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(found, kl_from(clean)(other, samples.labels(seed + 7, 6, 4)))
    assert float(found.min()) >= 0


def test_kl_is_zero_at_the_clean_logits_up_to_a_constant() -> None:
    clean = logits(0)
    labels = samples.labels(0, 6, 4)
    assert float(kl_from(clean)(clean, labels).abs().max()) <= 1e-14
    assert float(kl_from(clean)(clean + 5.0, labels).abs().max()) <= 1e-14
    assert float(kl_from(clean)(logits(1), labels).min()) > 1e-3


def test_clean_logits_are_constants() -> None:
    clean, other = logits(0).requires_grad_(True), logits(1).requires_grad_(True)
    kl_from(clean)(other, samples.labels(0, 6, 4)).sum().backward()
    assert clean.grad is None
    assert other.grad is not None
    np.testing.assert_allclose(other.grad.numpy(), (other.softmax(1) - clean.softmax(1)).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("norm", Norm)
def test_pgd_raises_the_kl(norm: Norm) -> None:
    net, images, labels = samples.mlp(), samples.images(0, 8), samples.labels(0, 8)
    loss = kl_from(net(images))
    path = PGD(ball_of(norm, 0.3), 10, 0.05, loss=loss).iterates(net, images, labels, SampleNoise(0, torch.arange(8)))
    values = torch.stack([loss(net(step.images), labels) for step in path]).detach()
    assert bool((values[-1] > values[0]).all())
    assert float(values[-1].mean()) > 2 * float(values[0].mean())


def test_pgd_raises_the_kl_whatever_the_labels() -> None:
    net, images = samples.mlp(), samples.images(0, 8)
    attack = PGD(LinfBall(0.2), 3, 0.05, loss=kl_from(net(images)), restarts=3)
    paths = []
    for labels in (samples.labels(0, 8), samples.labels(1, 8)):
        noise = SampleNoise(0, torch.arange(8))
        paths.append([step.images for step in attack.iterates(net, images, labels, noise)])
    assert all(torch.equal(one, other) for one, other in zip(*paths, strict=True))


@examples(100)
@given(seed=st.integers(0, 10_000), classes=st.integers(4, 7))
def test_margin_and_ratios_agree_with_the_formulas(seed: int, classes: int) -> None:
    z, y, t = logits(seed, 6, classes), samples.labels(seed, 6, classes), samples.labels(seed + 1, 6, classes)
    found = {"margin": margin(z, y), "dlr": dlr(z, y)}
    for name, values in found.items():
        expected = [
            float(attack_oracle.objective(name, row, int(label), None, row)) for row, label in zip(z, y, strict=True)
        ]
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-9, atol=1e-12)
    aimed = zip(z, y, t, strict=True)
    expected = [
        -float(attack_oracle.objective("dlr", row, int(label), int(target), row)) for row, label, target in aimed
    ]
    np.testing.assert_allclose(targeted_dlr_from(y)(z, t).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_the_ratio_needs_three_classes_and_not_more() -> None:
    z, y = logits(0, 6, 3), samples.labels(0, 6, 3)
    expected = [
        float(attack_oracle.objective("dlr", row, int(label), None, row)) for row, label in zip(z, y, strict=True)
    ]
    np.testing.assert_allclose(dlr(z, y).numpy(), expected, rtol=1e-9, atol=1e-12)


@examples(50)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_margins_say_who_wins_and_ratios_know_no_scale(seed: int, factor: float, shift: float) -> None:
    z, y, t = logits(seed, 6, 5), samples.labels(seed, 6, 5), samples.labels(seed + 1, 6, 5)
    lost = z.argmax(1) != y
    assert torch.equal(margin(z, y) > 0, lost) and torch.equal(dlr(z, y) > 0, lost)
    assert bool(((dlr(z, y) >= -1) | lost).all())
    torch.testing.assert_close(dlr(z * factor + shift, y), dlr(z, y), rtol=0, atol=1e-8)
    loss = targeted_dlr_from(y)
    torch.testing.assert_close(loss(z * factor + shift, t), loss(z, t), rtol=0, atol=1e-8)


def test_ratios_of_equal_logits_are_zero() -> None:
    z, y = torch.ones(3, 5, dtype=torch.float64), torch.tensor([0, 1, 2])
    assert not dlr(z, y).any() and not targeted_dlr_from(y)(z, (y + 1) % 5).any()
