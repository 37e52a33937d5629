"""PGD equals the per-sample oracle, stays in ball and box, finds known optima, keeps the attacker's best restart."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rnc.attacks import PGD, LinfBall, SampleNoise, ball_of, cross_entropy
from rnc.attacks.norm_balls import norms
from rnc.vocabulary import Norm
from tests.examples import examples
from tests.oracles import pgd_oracle, samples

NORMS = pytest.mark.parametrize("norm", Norm)
TARGETED = pytest.mark.parametrize("targeted", [False, True])


def excess(images: torch.Tensor, clean: torch.Tensor, norm: Norm, epsilon: float) -> float:
    """By how much the images leave the ball or [0, 1]."""
    delta = (images.double() - clean.double()).flatten(1)
    size = delta.abs().amax(1) if norm is Norm.LINF else delta.square().sum(1).sqrt()
    return max(float(size.max()) - epsilon, -float(images.min()), float(images.max()) - 1.0)


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    norm=st.sampled_from(Norm),
    targeted=st.booleans(),
    restarts=st.integers(1, 3),
    steps=st.integers(0, 4),
    epsilon=st.floats(1e-3, 1.0),
    step_share=st.floats(0.05, 3.0),
    given_start=st.booleans(),
    single=st.booleans(),
)
def test_every_iterate_stays_in_ball_and_box(
    seed: int,
    norm: Norm,
    targeted: bool,
    restarts: int,
    steps: int,
    epsilon: float,
    step_share: float,
    given_start: bool,
    single: bool,
) -> None:
    dtype = torch.float32 if single else torch.float64
    net, clean = samples.mlp(seed=seed).to(dtype), samples.images(seed, 4, dtype=dtype)
    start = samples.images(seed + 1, 4, dtype=dtype) * 3 - 1 if given_start else None  # may be outside of both
    attack = PGD(ball_of(norm, epsilon), steps, step_share * epsilon, targeted=targeted, restarts=restarts)
    noise = SampleNoise(seed, torch.arange(4))
    for step in attack.iterates(net, clean, samples.labels(seed, 4), noise, start):
        assert step.images.dtype == dtype and not step.images.requires_grad
        for images in (step.images, step.kept):
            assert excess(images, clean, norm, epsilon) <= (1e-6 if single else 1e-12)


@examples(40)
@given(
    seed=st.integers(0, 10_000),
    norm=st.sampled_from(Norm),
    targeted=st.booleans(),
    convolutional=st.booleans(),
    steps=st.integers(0, 6),
    epsilon=st.floats(0.01, 0.8),
)
def test_agrees_with_the_per_sample_oracle(
    seed: int, norm: Norm, targeted: bool, convolutional: bool, steps: int, epsilon: float
) -> None:
    net = samples.conv_net(seed=seed) if convolutional else samples.mlp(seed=seed)
    clean, labels = samples.images(seed, 3), samples.labels(seed, 3)
    start = (clean + 0.5 * epsilon * (samples.images(seed + 1, 3) - 0.5)).clamp(0, 1)
    attack = PGD(ball_of(norm, epsilon), steps, epsilon / 3, targeted=targeted)
    found = attack.run(net, clean, labels, start=start)
    expected = pgd_oracle.pgd(
        net, clean.numpy(), labels.tolist(), str(norm), epsilon, steps, epsilon / 3, targeted, start.numpy()
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-9)


def linear(seed: int = 0) -> tuple[nn.Module, torch.Tensor]:
    """A 2-class linear model and the direction (1, 4, 4) in which the loss of class 0 grows."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).double()
    weight = net[1].weight.detach()
    return net, (weight[1] - weight[0]).view(1, 4, 4)


@NORMS
@TARGETED
def test_a_linear_model_is_driven_to_its_known_optimum(norm: Norm, targeted: bool) -> None:
    net, w = linear()
    clean, epsilon = torch.full((5, 1, 4, 4), 0.5, dtype=torch.float64), 0.1
    labels = torch.full((5,), 1 if targeted else 0)
    noise = SampleNoise(0, torch.arange(5))
    found = PGD(ball_of(norm, epsilon), 200, 0.02, targeted=targeted).run(net, clean, labels, noise)
    optimum = clean + epsilon * (w.sign() if norm is Norm.LINF else w / w.norm())
    np.testing.assert_allclose(found.numpy(), optimum.numpy(), atol=1e-12 if norm is Norm.LINF else 1e-6)


@NORMS
@TARGETED
def test_the_objective_moves_the_attackers_way(norm: Norm, targeted: bool) -> None:
    net, clean, labels = samples.conv_net(), samples.images(2, 12), samples.labels(2, 12)
    noise = SampleNoise(0, torch.arange(12))
    path = list(PGD(ball_of(norm, 0.3), 8, 0.05, targeted=targeted).iterates(net, clean, labels, noise))
    first, last = (cross_entropy(net(step.images), labels) for step in (path[0], path[-1]))
    assert bool((last < first).all()) if targeted else bool((last > first).all())


def ends(targeted: bool, restarts: int, start: torch.Tensor | None = None) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the images that are kept, and those at the end of every restart."""
    clean, labels = samples.images(1, 16), samples.labels(1, 16)
    attack = PGD(LinfBall(0.3), 2, 0.02, targeted=targeted, restarts=restarts)
    steps = list(attack.iterates(samples.mlp(), clean, labels, SampleNoise(0, torch.arange(16)), start))
    return steps[-1].kept, [step.images for step in steps if step.step == 2]


def score(net: nn.Module, images: torch.Tensor, labels: torch.Tensor, targeted: bool) -> list[tuple[bool, float]]:
    """The score of each image for the attacker: first a decision in the attacker's favour, then the loss."""
    with torch.no_grad():
        logits = net(images)
    losses = cross_entropy(logits, labels) * (-1 if targeted else 1)
    won = (logits.argmax(1) == labels) == targeted
    return list(zip(won.tolist(), losses.tolist(), strict=True))


@TARGETED
@pytest.mark.parametrize("given_start", [False, True])
def test_each_sample_keeps_its_best_restart(targeted: bool, given_start: bool) -> None:
    net, labels = samples.mlp(), samples.labels(1, 16)
    kept, candidates = ends(targeted, 4, samples.images(1, 16) if given_start else None)
    assert len(candidates) == 4
    scores = [score(net, images, labels, targeted) for images in candidates]
    best = [max(range(4), key=lambda restart, i=i: scores[restart][i]) for i in range(len(labels))]
    assert len(set(best)) > 1  # or the test would prove nothing
    expected = torch.stack([candidates[restart][i] for i, restart in enumerate(best)])
    assert torch.equal(kept, expected)


@TARGETED
def test_more_restarts_are_never_worse(targeted: bool) -> None:
    net, labels = samples.mlp(), samples.labels(1, 16)
    values = [score(net, ends(targeted, n)[0], labels, targeted) for n in (1, 2, 3, 5)]
    for fewer, more in itertools.pairwise(values):
        assert all(after >= before for before, after in zip(fewer, more, strict=True))
    assert values[0] != values[-1]


def test_a_won_sample_is_kept_before_a_higher_loss() -> None:
    """Or more restarts could raise the accuracy that an attack leaves."""

    def logits(images: torch.Tensor) -> torch.Tensor:
        """Two pixels: label 0 loses to one rival narrowly, or to two together while it still leads."""
        near = (images[:, 0, 0, 0] > 0.5).to(images.dtype)[:, None]
        won = torch.tensor([[1.0, 1.1, -9.0, -9.0]], dtype=images.dtype)
        lost = torch.tensor([[1.0, 0.9, 0.9, 0.9]], dtype=images.dtype)
        return near * won + (1 - near) * lost + 0 * images.flatten(1).sum(1, keepdim=True)

    clean, labels = torch.full((64, 1, 1, 2), 0.5), torch.zeros(64, dtype=torch.int64)
    noise = SampleNoise(0, torch.arange(64))
    path = list(PGD(LinfBall(0.5), 0, 0.1, restarts=3).iterates(logits, clean, labels, noise))
    starts, kept = [step.images[:, 0, 0, 0] for step in path], path[-1].kept
    reached = torch.stack([pixel > 0.5 for pixel in starts]).any(0)
    assert 0 < int(reached.sum()) < 64
    assert torch.equal(logits(kept).argmax(1) != 0, reached)
    assert bool(
        (cross_entropy(logits(kept), labels)[reached] < cross_entropy(logits(clean * 0), labels)[reached]).all()
    )


@NORMS
def test_batch_size_changes_neither_starts_nor_ends(norm: Norm) -> None:
    net, clean, labels = samples.conv_net(), samples.images(3, 10), samples.labels(3, 10)

    def attack(part: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The starts of both restarts, and the end."""
        pgd = PGD(ball_of(norm, 0.2), 6, 0.05, restarts=2)
        path = list(pgd.iterates(net, clean[part], labels[part], SampleNoise(7, part)))
        return [p.images for p in path if p.step == 0], path[-1].kept

    starts, reached = attack(torch.arange(10))
    assert not torch.equal(starts[0], starts[1])
    for size in (1, 3, 7):
        for part in torch.randperm(10).split(size):
            part_starts, part_reached = attack(part)
            assert all(torch.equal(a, b[part]) for a, b in zip(part_starts, starts, strict=True))
            torch.testing.assert_close(part_reached, reached[part], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("restarts", "steps"), [(1, 0), (1, 5), (3, 0), (3, 4)])
def test_the_iterates_are_every_point_and_end_with_the_result_of_the_run(restarts: int, steps: int) -> None:
    net, clean, labels = samples.mlp(), samples.images(4, 6), samples.labels(4, 6)
    noise = [SampleNoise(1, torch.arange(6)) for _ in range(2)]
    attack = PGD(LinfBall(0.2), steps, 0.05, restarts=restarts)
    path = list(attack.iterates(net, clean, labels, noise[0]))
    assert [(p.restart, p.step) for p in path] == [(r, s) for r in range(restarts) for s in range(steps + 1)]
    ended = attack.run(net, clean, labels, noise[1])
    assert torch.equal(path[-1].kept, ended)
    assert all(torch.equal(p.kept, p.images) for p in path[: steps + 1])


@NORMS
def test_no_steps_give_the_random_start(norm: Norm) -> None:
    net, clean, labels = samples.mlp(), samples.images(5, 6), samples.labels(5, 6)
    ball = ball_of(norm, 0.2)
    found = PGD(ball, 0, 0.05).run(net, clean, labels, SampleNoise(2, torch.arange(6)))
    start = ball.random_start(clean, SampleNoise(2, torch.arange(6)))
    torch.testing.assert_close(found, (clean + start).clamp(0, 1), rtol=0, atol=1e-12)
    assert float(norms(found - clean).min()) > 0


def test_a_given_start_is_taken_in_the_first_restart_only() -> None:
    net, clean, labels = samples.mlp(), samples.images(5, 6), samples.labels(5, 6)
    noise = SampleNoise(2, torch.arange(6))
    path = list(PGD(LinfBall(0.2), 1, 0.05, restarts=3).iterates(net, clean, labels, noise, start=clean))
    starts = [p.images for p in path if p.step == 0]
    torch.testing.assert_close(starts[0], clean, rtol=0, atol=1e-15)
    assert float((starts[1] - clean).abs().max()) > 0.1 and not torch.equal(starts[1], starts[2])


def test_the_same_seed_repeats_and_another_does_not() -> None:
    net, clean, labels = samples.mlp(), samples.images(5, 6), samples.labels(5, 6)

    def attack(generator: torch.Generator | SampleNoise | None) -> torch.Tensor:
        return PGD(LinfBall(0.2), 3, 0.02, restarts=2).run(net, clean, labels, generator)

    assert torch.equal(attack(torch.Generator().manual_seed(1)), attack(torch.Generator().manual_seed(1)))
    assert not torch.equal(attack(torch.Generator().manual_seed(1)), attack(torch.Generator().manual_seed(2)))
    assert torch.equal(attack(SampleNoise(1, torch.arange(6))), attack(SampleNoise(1, torch.arange(6))))
    assert not torch.equal(attack(SampleNoise(1, torch.arange(6))), attack(SampleNoise(2, torch.arange(6))))
    torch.manual_seed(3)
    first = attack(None)
    torch.manual_seed(3)
    assert torch.equal(attack(None), first)
