"""`SampleNoise` is a function of (seed, index, draw) alone, bit by bit, and looks uniform or normal."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.attacks.randomness import GeneratorNoise, SampleNoise, as_noise
from tests.examples import examples

DOUBLE = torch.zeros(1, dtype=torch.float64)


def draw(seed: int, indices: torch.Tensor, kind: str, like: torch.Tensor = DOUBLE, draws: int = 1) -> torch.Tensor:
    """The last of some draws of shape (N, 1, 3, 5)."""
    noise = SampleNoise(seed, indices)
    for _ in range(draws):
        values = getattr(noise, kind)(torch.Size((len(indices), 1, 3, 5)), like)
    return values


def splitmix64(state: int) -> int:
    """The next output of the generator (Steele, Lea, Flood 2014), in Python's own integers, modulo 2^64."""
    z = (state + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_the_oracle_is_splitmix64() -> None:
    """The first outputs from the state 1234567, as published with the reference implementation."""
    outputs = [splitmix64(1234567 + k * 0x9E3779B97F4A7C15) for k in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("seed", [0, 3, -5, 2**31, 2**62])
def test_uniform_numbers_are_hashes_of_seed_index_draw_and_element(seed: int) -> None:
    """Stored results depend on them: a run attacked again gets the same images, on any machine and in any version."""
    indices = [0, 7, 49_999]
    for number in range(3):
        found = draw(seed, torch.tensor(indices), "uniform", draws=number + 1).flatten(1)
        of_draw = splitmix64((seed * 1_000_003 + number) % 2**63)
        for row, index in zip(found.tolist(), indices, strict=True):
            of_row = splitmix64((index + of_draw) % 2**64)
            bits = [splitmix64((of_row + k * 0x9E3779B97F4A7C15) % 2**64) >> 11 for k in range(len(row))]
            assert row == [value * 2.0**-53 for value in bits]


@examples(40)
@given(
    seed=st.integers(-5, 2**31),
    order=st.permutations(range(20)),
    cuts=st.lists(st.integers(0, 20), max_size=5),
    kind=st.sampled_from(["uniform", "normal"]),
    single=st.booleans(),
)
def test_any_batching_and_order_gives_the_same_bits(
    seed: int, order: list[int], cuts: list[int], kind: str, single: bool
) -> None:
    like = torch.zeros(1, dtype=torch.float32 if single else torch.float64)
    whole = draw(seed, torch.arange(20), kind, like, draws=2)
    assert whole.dtype == like.dtype
    edges = [0, *sorted(cuts), 20]
    for first, last in itertools.pairwise(edges):
        indices = torch.tensor(order[first:last], dtype=torch.int64)
        assert torch.equal(draw(seed, indices, kind, like, draws=2), whole[indices])


def test_indices_may_be_of_any_integer_type() -> None:
    assert torch.equal(
        draw(1, torch.arange(4, dtype=torch.int32), "uniform"), draw(1, torch.arange(4, dtype=torch.int64), "uniform")
    )


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_another_seed_index_draw_or_element_gives_other_numbers(kind: str) -> None:
    seen = [draw(seed, torch.arange(30), kind, draws=draws) for seed in (0, 1, 2, 1000) for draws in (1, 2, 3)]
    values = torch.stack(seen).flatten()
    assert len(values.unique()) == len(values)


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert torch.equal(draw(7, torch.arange(9), "normal"), draw(7, torch.arange(9), "normal"))


def test_uniform_is_uniform() -> None:
    values = SampleNoise(3, torch.arange(2000)).uniform(torch.Size((2000, 1, 10, 10)), DOUBLE).flatten().numpy()
    n = len(values)
    assert values.min() >= 0 and values.max() < 1
    assert values.mean() == pytest.approx(0.5, abs=5 / math.sqrt(12 * n))
    assert values.var() == pytest.approx(1 / 12, rel=0.01)
    counts = np.histogram(values, bins=100, range=(0, 1))[0]
    chi_square = float(((counts - n / 100) ** 2 / (n / 100)).sum())
    assert 50 < chi_square < 160  # 99 degrees of freedom: mean 99, sd 14


def test_normal_is_normal() -> None:
    values = SampleNoise(4, torch.arange(2000)).normal(torch.Size((2000, 1, 10, 10)), DOUBLE).flatten().numpy()
    n = len(values)
    for power, moment, spread in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert (values**power).mean() == pytest.approx(moment, abs=5 * math.sqrt(spread / n)), power
    for edge, below in ((-1.0, 0.158655), (0.0, 0.5), (1.96, 0.975002)):
        assert (values < edge).mean() == pytest.approx(below, abs=5 * 0.5 / math.sqrt(n))


def test_normal_numbers_are_the_box_muller_transform_of_uniform_ones() -> None:
    noise, size = SampleNoise(4, torch.arange(50)), torch.Size((50, 1, 3, 3))
    first, second = (noise.uniform(size, DOUBLE) for _ in range(2))
    expected = (-2 * (1 - first).log()).sqrt() * (2 * math.pi * second).cos()
    found = SampleNoise(4, torch.arange(50)).normal(size, DOUBLE)
    assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_neighbours_are_not_correlated(kind: str) -> None:
    size = torch.Size((3000, 1, 4, 4))
    noise = SampleNoise(5, torch.arange(3000))
    first, second = (getattr(noise, kind)(size, DOUBLE).flatten(1).numpy() for _ in range(2))
    other = getattr(SampleNoise(6, torch.arange(3000)), kind)(size, DOUBLE).flatten(1).numpy()
    pairs = ((first[1:], first[:-1]), (first[:, 1:], first[:, :-1]), (first, second), (first, other))
    for a, b in pairs:
        assert abs(float(np.corrcoef(a.ravel(), b.ravel())[0, 1])) < 5 / math.sqrt(b.size)


def test_float32_uniform_stays_below_one() -> None:
    """At seed 0, index 44714, element 371 the float64 number is so near 1 that float32 rounds it up to 1."""
    values = SampleNoise(0, torch.tensor([44714])).uniform(torch.Size((1, 372)), torch.zeros(1))
    assert values.dtype == torch.float32
    assert float(values.max()) == float(np.nextafter(np.float32(1), np.float32(0)))


def test_a_wrong_number_of_indices_is_refused() -> None:
    with pytest.raises(ValueError, match="3 sample indices were given for 4 samples"):
        SampleNoise(0, torch.arange(3)).uniform(torch.Size((4, 1, 2, 2)), DOUBLE)


def test_as_noise_takes_a_generator_none_or_sample_noise() -> None:
    noise, size = SampleNoise(0, torch.arange(2)), torch.Size((2, 3))
    assert as_noise(noise) is noise
    expected = torch.rand(size, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    assert torch.equal(as_noise(torch.Generator().manual_seed(8)).uniform(size, DOUBLE), expected)
    torch.manual_seed(8)
    assert isinstance(as_noise(None), GeneratorNoise)
    assert torch.equal(as_noise(None).uniform(size, DOUBLE), expected)
