"""Random numbers for perturbations: from a torch generator, or per sample and independent of the batch size.

`SampleNoise` hashes (seed, sample index, draw, element) with splitmix64 (Steele, Lea, Flood 2014). The numbers of a
sample therefore depend on its index alone and are the same on every device.
"""

import math
from typing import Protocol

import torch

_GAMMA = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15 as int64
_MIX_1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
_MIX_2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB


class Noise(Protocol):
    """A source of random tensors; each call draws new numbers."""

    def uniform(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw uniform numbers in [0, 1), of the dtype and on the device of `like`."""

    def normal(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw standard normal numbers, of the dtype and on the device of `like`."""


class GeneratorNoise:
    """Noise from a torch generator, or from torch's global generator if None is given."""

    def __init__(self, generator: torch.Generator | None) -> None:
        """Keep the generator; it must live on the device of the images."""
        self._generator = generator

    def uniform(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw uniform numbers in [0, 1)."""
        return torch.rand(shape, generator=self._generator, dtype=like.dtype, device=like.device)

    def normal(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw standard normal numbers."""
        return torch.randn(shape, generator=self._generator, dtype=like.dtype, device=like.device)


class SampleNoise:
    """Noise that is a function of (seed, sample index, number of the draw) and therefore the same in any batch."""

    def __init__(self, seed: int, indices: torch.Tensor) -> None:
        """Take the data-set indices (N,) of the samples in the batch; draws have N as their first size."""
        self._seed = seed
        self._indices = indices.to(torch.int64)
        self._draws = 0

    def uniform(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw uniform numbers in [0, 1), below 1 even if rounding to the dtype of `like` would give 1."""
        below_one = 1 - torch.finfo(like.dtype).eps / 2
        return self._draw(shape, like.device).to(like.dtype).clamp_max(below_one)

    def normal(self, shape: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """Draw standard normal numbers by the Box-Muller transform."""
        radius = torch.sqrt(-2 * torch.log1p(-self._draw(shape, like.device)))
        return (radius * torch.cos(2 * math.pi * self._draw(shape, like.device))).to(like.dtype)

    def _draw(self, shape: torch.Size, device: torch.device) -> torch.Tensor:
        if shape[0] != len(self._indices):
            raise ValueError(f"{len(self._indices)} sample indices were given for {shape[0]} samples")
        # Filled on the device, because copying a number from the host would make a GPU wait.
        draw = torch.full((), (self._seed * 1_000_003 + self._draws) % 2**63, dtype=torch.int64, device=device)
        rows = _mix(self._indices.to(device) + _mix(draw))
        self._draws += 1
        elements = torch.arange(math.prod(shape[1:]), device=device)
        bits = _mix(rows[:, None] + elements[None, :] * _GAMMA)
        return (_logical_shift(bits, 11).to(torch.float64) * 2.0**-53).reshape(shape)


def as_noise(generator: "torch.Generator | SampleNoise | None") -> Noise:
    """Return the noise source for either kind of argument."""
    return generator if isinstance(generator, SampleNoise) else GeneratorNoise(generator)


def _logical_shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: torch.Tensor) -> torch.Tensor:
    x = x + _GAMMA
    x = (x ^ _logical_shift(x, 30)) * _MIX_1
    x = (x ^ _logical_shift(x, 27)) * _MIX_2
    return x ^ _logical_shift(x, 31)
