"""What attackers climb: cross entropy and TRADES' KL against loops, and PGD climbs the latter."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnc.attacks import LinfBall, SampleNoise, ball_of, cross_entropy, kl_from, pgd, pgd_steps
from rnc.vocabulary import Norm
from tests.oracles import collapse_oracle as oracle
from tests.oracles import samples


def logits(seed: int, n: int = 6, num_classes: int = 4) -> torch.Tensor:
    return torch.tensor(3 * np.random.default_rng(seed).normal(size=(n, num_classes)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_cross_entropy_is_one_value_a_sample(seed: int) -> None:
    z, y = logits(seed), samples.labels(seed, 6, 4)
    expected = [oracle.cross_entropy(row, int(label)) for row, label in zip(z.numpy(), y, strict=True)]
    np.testing.assert_allclose(cross_entropy(z, y).numpy(), expected, rtol=1e-9)


@settings(max_examples=30, deadline=None)
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
def test_pgd_climbs_the_kl(norm: Norm) -> None:
    net, images, labels = samples.mlp(), samples.images(0, 8), samples.labels(0, 8)
    objective = kl_from(net(images))
    path = pgd_steps(
        net,
        images,
        labels,
        ball_of(norm, 0.3),
        10,
        0.05,
        objective=objective,
        generator=SampleNoise(0, torch.arange(8)),
    )
    values = torch.stack([objective(net(step.images), labels) for step in path]).detach()
    assert bool((values[-1] > values[0]).all())
    assert float(values[-1].mean()) > 2 * float(values[0].mean())


def test_pgd_on_kl_ignores_labels_and_keeps_the_restart_of_highest_kl() -> None:
    net, images = samples.mlp(), samples.images(0, 8)
    objective = kl_from(net(images))
    ends = []
    for seed in (0, 1):
        noise = SampleNoise(0, torch.arange(8))
        labels = samples.labels(seed, 8)
        ends.append(pgd(net, images, labels, LinfBall(0.2), 3, 0.05, objective=objective, restarts=3, generator=noise))
    assert torch.equal(ends[0], ends[1])
    path = pgd_steps(
        net,
        images,
        labels,
        LinfBall(0.2),
        3,
        0.05,
        objective=objective,
        restarts=3,
        generator=SampleNoise(0, torch.arange(8)),
    )
    each = torch.stack([objective(net(step.images), labels) for step in path if step.step == 3])
    np.testing.assert_allclose(objective(net(ends[0]), labels).detach(), each.amax(0).detach(), rtol=1e-12)
