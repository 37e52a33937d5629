"""Convolutions with fewer multiplications, for attacks on a CPU, which spend most of their time there.

A 3 x 3 convolution of stride 1 is computed in tiles by F(4 x 4, 3 x 3) of Winograd's minimal filtering (Lavin and Gray
2016, section 4.3): 4 times fewer multiplications, and the transforms are products with small constant matrices. Its
rounding error is about 5e-6 of the largest output, against 1e-6 for direct convolution. On maps of at most 2 x 2 pixels
direct convolution multiplies mostly padding; there one matrix product is used. The gradient is the exact adjoint, with
the same weights.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
_TILE, _READ = 4, 6
"""A tile of 4 x 4 outputs reads 6 x 6 inputs."""
_MIN_CHANNELS, _MIN_TILES = 64, 32
"""Below these numbers, the transforms cost more than they save."""
_TILES_AT_ONCE = 128
"""Number of tiles whose transforms stay in the cache."""


def is_faster(conv: nn.Conv2d) -> bool:
    """Return whether this module computes a convolution faster (by a fixed rule: two runs must choose the same algorithm)."""
    shaped = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups)
    wide = min(conv.in_channels, conv.out_channels) >= _MIN_CHANNELS
    return shaped == ((3, 3), (1, 1), (1, 1), (1, 1), 1) and wide and conv.weight.device.type == "cpu"


class FastConv(nn.Module):
    """Module x (N, c, h, w) -> the 3 x 3 convolution of stride 1 and padding 1; the size of x decides on the algorithm."""

    def __init__(self, weight: torch.Tensor) -> None:
        """Store weights (out, in, 3, 3), which are transformed at the first use and at the first use after a `refresh`."""
        super().__init__()
        self._weight = weight
        self.discard_transformed_weights()

    def discard_transformed_weights(self) -> None:
        """Discard everything derived from the weights."""
        self._transformed: torch.Tensor | None = None
        self._small: dict[tuple[int, int], torch.Tensor] = {}

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Return the output (N, out, h, w)."""
        n, _c, height, width = x.shape
        if max(height, width) <= 2:
            return self._as_product(x, bias)
        tiles = n * (height // _TILE) * (width // _TILE)
        if height % _TILE or width % _TILE or tiles < _MIN_TILES:
            return functional.conv2d(x, self._weight, bias, padding=1)
        if self._transformed is None:
            self._transformed = _transform(self._weight)
        output: torch.Tensor = _Winograd.apply(x, self._transformed)
        return output + bias.view(1, -1, 1, 1)

    def _as_product(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        size = (x.shape[2], x.shape[3])
        matrix = self._small.get(size)
        if matrix is None:
            matrix = self._small[size] = _matrix(self._weight, *size)
        flat = x.permute(0, 2, 3, 1).reshape(len(x), -1) @ matrix
        return flat.view(len(x), *size, -1).permute(0, 3, 1, 2) + bias.view(1, -1, 1, 1)


def _transform(weight: torch.Tensor) -> torch.Tensor:
    """Return the weights (out, in, 3, 3) transformed for Winograd's products: (36, in, out)."""
    out, in_ = weight.shape[:2]
    taps = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return torch.mm(_kronecker_square(_KERNEL, torch.float64).to(weight.dtype), taps).view(_READ**2, in_, out)


def _matrix(weight: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the matrix (h * w * in, h * w * out) of a convolution on maps of at most 2 x 2 pixels."""
    out, in_ = weight.shape[:2]
    matrix = weight.new_empty(height, width, in_, height, width, out)
    for i in range(height):
        for j in range(width):
            for p in range(height):
                for q in range(width):
                    matrix[i, j, :, p, q] = weight[:, :, i - p + 1, j - q + 1].T
    return matrix.view(height * width * in_, -1)


class _Winograd(torch.autograd.Function):
    """Function (x (N, c, h, w), transformed weights (36, c, out)) -> (N, out, h, w), laid out channels_last."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, transformed: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(transformed)
        to_input, to_output = (_kronecker_square(matrix, x.dtype) for matrix in (_INPUT, _OUTPUT))
        output = x.new_empty(len(x), x.shape[2], x.shape[3], transformed.shape[2])
        for part, into in zip(_split_for_cache(x.permute(0, 2, 3, 1)), _split_for_cache(output), strict=True):
            tiles = _input_tiles(functional.pad(part, (0, 0, 1, 1, 1, 1))).reshape(_READ**2, -1)
            spectrum = torch.mm(to_input, tiles).view(_READ**2, -1, x.shape[1])
            products = torch.bmm(spectrum, transformed).view(_READ**2, -1)
            shape = (*_output_tiles(into).shape[:-1], transformed.shape[2])
            _output_tiles(into).copy_(torch.mm(to_output, products).view(shape))
        return output.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (transformed,) = ctx.saved_tensors
        to_input, to_output = (_kronecker_square(matrix, gradient.dtype) for matrix in (_INPUT, _OUTPUT))
        n, out, height, width = gradient.shape
        input_gradient = gradient.new_empty(n, height, width, transformed.shape[1])
        by_pixel = gradient.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        for part, into in zip(_split_for_cache(by_pixel), _split_for_cache(input_gradient), strict=True):
            products = torch.mm(to_output.T, _output_tiles(part).reshape(_TILE**2, -1)).view(_READ**2, -1, out)
            spectrum = torch.bmm(products, transformed.transpose(1, 2)).view(_READ**2, -1)
            padded = into.new_zeros(len(into), height + 2, width + 2, into.shape[3])
            tiles = _input_tiles(padded)
            read = torch.mm(to_input.T, spectrum).view(tiles.shape)
            first, rest = slice(0, _TILE), slice(_TILE, _READ)  # the last two rows are also the first of the next tile
            for rows in (first, rest):
                for columns in (first, rest):
                    tiles[rows, columns] += read[rows, columns]
            into.copy_(padded[:, 1:-1, 1:-1])
        return input_gradient.permute(0, 3, 1, 2), None


def _kronecker_square(matrix: tuple[tuple[float, ...], ...], dtype: torch.dtype) -> torch.Tensor:
    """Return the matrix that acts on flattened tiles as the given one acts on both their rows and their columns."""
    single = torch.tensor(matrix, dtype=dtype)
    return torch.kron(single, single)


def _split_for_cache(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split images (N, h, w, c) into parts whose tiles stay in the cache."""
    tiles = (x.shape[1] // _TILE) * (x.shape[2] // _TILE)
    return x.split(max(1, _TILES_AT_ONCE // tiles))


def _input_tiles(padded: torch.Tensor) -> torch.Tensor:
    """Return the overlapping tiles (6, 6, N, rows, columns, c) of padded images (N, h + 2, w + 2, c), as a view."""
    n, height, width, channels = padded.shape
    image, row, column, _one = padded.stride()
    shape = (_READ, _READ, n, height // _TILE, width // _TILE, channels)
    return padded.as_strided(shape, (row, column, image, _TILE * row, _TILE * column, 1))


def _output_tiles(x: torch.Tensor) -> torch.Tensor:
    """Return the tiles (4, 4, N, rows, columns, c) of images (N, h, w, c), as a view."""
    n, height, width, channels = x.shape
    tiles = x.view(n, height // _TILE, _TILE, width // _TILE, _TILE, channels)
    return tiles.permute(2, 4, 0, 1, 3, 5)
