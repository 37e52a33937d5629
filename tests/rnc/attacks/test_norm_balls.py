"""Balls: starts lie inside, steps have the stated length, projection is the nearest point, bad radii are refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks import L2Ball, LinfBall, SampleNoise, ball_of
from rnc.attacks.norm_balls import norms, scale_to
from rnc.attacks.randomness import GeneratorNoise
from rnc.vocabulary import Norm
from tests.examples import examples
from tests.oracles import pgd_oracle as oracle

SHAPE = (5, 2, 3, 3)


def deltas(seed: int, scale: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return scale * torch.tensor(np.random.default_rng(seed).normal(size=SHAPE), dtype=dtype)


def size_in(norm: Norm, x: torch.Tensor) -> torch.Tensor:
    """The norm (N,) of each sample."""
    return x.flatten(1).abs().amax(1) if norm is Norm.LINF else x.flatten(1).square().sum(1).sqrt()


def test_ball_of_names_the_ball() -> None:
    assert ball_of(Norm.LINF, 0.25) == LinfBall(0.25)
    assert ball_of(Norm.L2, 0.5) == L2Ball(0.5)


@pytest.mark.parametrize("ball", [LinfBall, L2Ball])
@pytest.mark.parametrize("epsilon", [0.0, -0.1, math.nan, math.inf, -math.inf])
def test_a_radius_must_be_a_finite_number_above_zero(ball: type[LinfBall] | type[L2Ball], epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon must be a finite number > 0"):
        ball(epsilon)


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    norm=st.sampled_from(Norm),
    epsilon=st.floats(1e-3, 1.0),
    scale=st.floats(0.0, 10.0),
    single=st.booleans(),
)
def test_projection_is_the_nearest_point(seed: int, norm: Norm, epsilon: float, scale: float, single: bool) -> None:
    delta = deltas(seed, scale, torch.float32 if single else torch.float64)
    found = ball_of(norm, epsilon).project(delta)
    tolerance = 1e-6 if single else 1e-12
    assert found.dtype == delta.dtype
    assert float(size_in(norm, found).max()) <= epsilon * (1 + tolerance)
    expected = np.stack([oracle.project(x, str(norm), epsilon) for x in delta.double().numpy()])
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("norm", Norm)
def test_what_is_inside_is_not_moved(norm: Norm) -> None:
    delta = scale_to(deltas(0, 1.0), 0.1)
    assert torch.equal(ball_of(norm, 0.11).project(delta), delta)
    assert torch.equal(ball_of(norm, 0.11).project(torch.zeros(SHAPE)), torch.zeros(SHAPE))


@examples(30)
@given(seed=st.integers(0, 10_000), norm=st.sampled_from(Norm), step_size=st.floats(1e-3, 2.0))
def test_a_step_is_the_formulas(seed: int, norm: Norm, step_size: float) -> None:
    gradient = deltas(seed, 0.7)
    gradient[0] = 0
    found = ball_of(norm, 1.0).ascent_step(gradient, step_size)
    expected = np.stack([oracle.step_along(g, str(norm), step_size) for g in gradient.numpy()])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert not found[0].any()
    np.testing.assert_allclose(size_in(norm, found)[1:].numpy(), step_size, rtol=1e-8)


@examples(40)
@given(seed=st.integers(0, 10_000), norm=st.sampled_from(Norm), epsilon=st.floats(1e-3, 1.0), single=st.booleans())
def test_random_starts_are_inside(seed: int, norm: Norm, epsilon: float, single: bool) -> None:
    like = torch.zeros(SHAPE, dtype=torch.float32 if single else torch.float64)
    for noise in (SampleNoise(seed, torch.arange(SHAPE[0])), GeneratorNoise(torch.Generator().manual_seed(seed))):
        start = ball_of(norm, epsilon).random_start(like, noise)
        assert start.shape == like.shape and start.dtype == like.dtype
        assert float(size_in(norm, start).max()) <= epsilon * (1 + (1e-6 if single else 1e-12))


def test_linf_starts_fill_the_cube() -> None:
    like = torch.zeros(20_000, 1, 1, 2, dtype=torch.float64)
    start = LinfBall(0.5).random_start(like, SampleNoise(0, torch.arange(len(like))))
    assert abs(float(start.mean())) < 0.01
    assert float(start.var()) == pytest.approx(0.5**2 / 3, rel=0.03)
    assert -0.5 <= float(start.min()) < -0.499 and 0.499 < float(start.max()) <= 0.5


def test_l2_starts_have_a_uniform_length_in_every_direction() -> None:
    like = torch.zeros(20_000, 1, 2, 2, dtype=torch.float64)
    start = L2Ball(2.0).random_start(like, SampleNoise(0, torch.arange(len(like))))
    lengths = np.sort(norms(start).numpy())
    uniform = np.linspace(0, 2.0, len(lengths))
    assert np.abs(lengths - uniform).max() < 0.04  # Kolmogorov-Smirnov distance 0.02
    directions = start.flatten(1) / norms(start)[:, None]
    np.testing.assert_allclose((directions.T @ directions / len(directions)).numpy(), np.eye(4) / 4, atol=0.01)
    assert float(directions.mean(0).abs().max()) < 0.015


def test_scale_to_takes_one_length_or_one_for_each() -> None:
    x = deltas(1, 3.0)
    np.testing.assert_allclose(norms(scale_to(x, 0.7)).numpy(), 0.7, rtol=1e-12)
    lengths = torch.linspace(0.0, 2.0, 5, dtype=torch.float64)
    np.testing.assert_allclose(norms(scale_to(x, lengths)).numpy(), lengths.numpy(), rtol=1e-12)
    assert not scale_to(torch.zeros(SHAPE), 1.0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norms_are_of_the_dtype_of_the_samples(dtype: torch.dtype) -> None:
    assert norms(torch.full((2, 1, 2, 2), 3.0, dtype=dtype)).tolist() == [6.0, 6.0]
    assert norms(torch.ones(2, 3, dtype=dtype)).dtype == dtype


def test_a_radius_beyond_the_range_of_pixels_is_refused() -> None:
    assert LinfBall(1.0).epsilon == 1.0
    with pytest.raises(ValueError, match="epsilon"):
        LinfBall(1.01)
    with pytest.raises(ValueError, match=r"epsilon.*l2 distance"):
        L2Ball(1e4)
