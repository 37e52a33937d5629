"""How samples are taken in: a few rows at a time, multiplied in the precision they came in, summed in float64.

A chunk fits a CPU's cache, so that each feature is fetched from memory once a pass; and nothing here asks a GPU for a
number, so that it never waits within a stream.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

Array = torch.Tensor | np.ndarray

Batches = Iterable[tuple[Array, Array]]
"""(features (n, d), labels (n,)) batch by batch; iterated once by each pass."""

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""Sums a tensor over the processes that share the samples; alone, what it is given."""

_CHUNK = {
    "cpu": 2**18,
    "accelerator": 2**22,
}  # numbers at a time: 1 MiB of float32 in the cache, or enough to fill a GPU
_LEAST_ROWS = 32  # of a wide stage's activations, below which the class means are fetched more often than the samples


def alone(total: torch.Tensor) -> torch.Tensor:
    """The sum over one process."""
    return total


def as_float64(x: Array) -> torch.Tensor:
    """The values as a float64 tensor, on the device where they are."""
    return torch.as_tensor(x).detach().to(torch.float64)


def working_dtype(features: torch.Tensor) -> torch.dtype:
    """What features are multiplied in: float32 as a network gives them (or less), else float64."""
    lower = features.dtype.is_floating_point and features.dtype != torch.float64
    return torch.float32 if lower else torch.float64


def row_slices(features: torch.Tensor, share: int = 1) -> Iterator[slice]:
    """The rows of features (N, d), a chunk at a time, or a `share`-th of one where they are widened to float64."""
    most = _CHUNK["cpu" if features.device.type == "cpu" else "accelerator"]
    rows = max(most // share // max(features.shape[1], 1), _LEAST_ROWS)
    return (slice(begin, begin + rows) for begin in range(0, len(features), rows))


def checked(features: Array, labels: Array, device: torch.device | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, d) and labels (n,) as tensors, the labels int64 and beside them or on `device`.

    Raises ValueError for other shapes.
    """
    h, y = torch.as_tensor(features).detach(), torch.as_tensor(labels)
    if h.dim() != 2 or y.shape != h.shape[:1]:
        raise ValueError(f"features must be (N, d) and labels (N,); got {tuple(h.shape)}, {tuple(y.shape)}")
    return h, y.to(device or h.device, torch.int64)


class LabelRange:
    """The labels that came by; whether they were 0..C-1 is asked at the end of a stream."""

    def __init__(self, num_classes: int) -> None:
        """Start with no label."""
        self._num_classes = num_classes
        self._ends: torch.Tensor | None = None

    def take(self, labels: torch.Tensor) -> torch.Tensor:
        """Note labels (n,), and return them as ones that can be used as rows of a table of C."""
        if len(labels):
            lowest, highest = torch.aminmax(labels)
            ends = torch.stack((-lowest, highest))
            self._ends = ends if self._ends is None else torch.maximum(self._ends, ends)
        return labels.clamp(0, self._num_classes - 1)

    def check(self) -> None:
        """Raise ValueError where a label was outside 0..C-1."""
        if self._ends is None:
            return
        lowest, highest = -int(self._ends[0]), int(self._ends[1])
        if lowest < 0 or highest >= self._num_classes:
            raise ValueError(f"labels must be 0..{self._num_classes - 1}; got {lowest}..{highest}")


def check_labels(labels: torch.Tensor, num_classes: int) -> None:
    """Raise ValueError for a label outside 0..C-1."""
    seen = LabelRange(num_classes)
    seen.take(labels)
    seen.check()


def check_finite(sums: torch.Tensor, what: str = "features") -> None:
    """Raise ValueError, saying what is not finite. In sums any number that is not shows: cheaper than a look at each."""
    if not torch.isfinite(sums).all():
        raise ValueError(f"{what} hold NaN or infinite values; the network has diverged (try a smaller learning rate)")


def power_of_two(*values: torch.Tensor) -> torch.Tensor:
    """The power of two (1,), in float64, that brings the largest absolute value of all to between 0.5 and 1.

    To multiply by it changes no digit, and brings squares of what is very large or small into the range of float32.
    It is 1 where all are 0, and at most 2^126 and at least 2^-126, so that it is an ordinary number of float32.
    """
    ends = [torch.stack(torch.aminmax(value)).double().abs().amax(0, keepdim=True) for value in values if value.numel()]
    largest = torch.cat([values[0].new_zeros(1, dtype=torch.float64), *ends]).amax(0, keepdim=True)
    mantissa, _exponent = torch.frexp(largest)
    return torch.where(largest > 0, mantissa / largest, 1.0).clamp(2.0**-126, 2.0**126)


class Shift:
    """Subtracts float64 rows from features without rounding the rows: in float32 they are kept as a sum of two numbers.

    So float32 residuals are exact to their own last digit, also where they are tiny beside the mean. Both are multiplied
    by `scale` before, a power of two (1,): residuals are of scaled features. The space is used again: a result holds
    until the next call.
    """

    def __init__(self, rows: torch.Tensor, dtype: torch.dtype, scale: torch.Tensor) -> None:
        """Take the table of rows (R, d) in float64, the dtype of the residuals, and the scale."""
        rows = rows * scale
        self._high, self._scale = rows.to(dtype), scale.to(dtype)
        self._low = (rows - self._high).to(dtype) if dtype != torch.float64 else None
        self._space: list[torch.Tensor] = []

    def __call__(self, features: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        """Scaled features (n, d) minus their scaled rows `of` (n,), (n, d)."""
        residuals, taken = (space[: len(features)] for space in self._spaces(features.shape))
        torch.index_select(self._high, 0, of, out=taken)
        torch.mul(features, self._scale, out=residuals)
        residuals.sub_(taken)
        if self._low is not None:
            torch.index_select(self._low, 0, of, out=taken)
            residuals.sub_(taken)
        return residuals

    def _spaces(self, shape: torch.Size) -> list[torch.Tensor]:
        if not self._space or len(self._space[0]) < shape[0]:
            self._space = [torch.empty(shape, dtype=self._high.dtype, device=self._high.device) for _ in range(2)]
        return self._space
