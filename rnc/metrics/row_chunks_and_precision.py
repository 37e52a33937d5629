"""Reading of samples: a few rows at a time, multiplied in their own precision, summed in float64.

A chunk fits a CPU's cache, so each feature is read from memory once per pass. No function that handles a batch reads a
number back from a GPU, so the GPU never waits within a stream.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

Array = torch.Tensor | np.ndarray

Batches = Iterable[tuple[Array, Array]]
"""Iterable of (features (n, d), labels (n,)) batch by batch; each pass iterates over it once."""

Reduce = Callable[[torch.Tensor], torch.Tensor]
"""Function that sums a tensor over the processes that share the samples; in a single process, it returns its argument."""

_CHUNK = {
    "cpu": 2**18,
    "accelerator": 2**22,
}  # numbers per chunk: 1 MiB of float32 in the cache, or enough to fill a GPU
_LEAST_ROWS = 32  # with fewer rows of a wide stage, reading the class means would dominate


def one_process(total: torch.Tensor) -> torch.Tensor:
    """Return the sum over one process."""
    return total


def as_float64(x: Array) -> torch.Tensor:
    """Return the values as a float64 tensor on the same device."""
    return torch.as_tensor(x).detach().to(torch.float64)


def dtype_for_products(features: torch.Tensor) -> torch.dtype:
    """Return the dtype in which features are multiplied: float32 for features of float32 or less, else float64."""
    lower = features.dtype.is_floating_point and features.dtype != torch.float64
    return torch.float32 if lower else torch.float64


def row_slices(features: torch.Tensor, share: int = 1) -> Iterator[slice]:
    """Return the row slices of features (N, d), one chunk each, or a `share`-th of a chunk if rows are widened to float64."""
    most = _CHUNK["cpu" if features.device.type == "cpu" else "accelerator"]
    rows = max(most // share // max(features.shape[1], 1), _LEAST_ROWS)
    return (slice(begin, begin + rows) for begin in range(0, len(features), rows))


def as_samples(features: Array, labels: Array, device: torch.device | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features (n, d) and labels (n,) as tensors, the labels as int64 on the features' device or on `device`.

    Raises ValueError for other shapes.
    """
    h, y = torch.as_tensor(features).detach(), torch.as_tensor(labels)
    if h.dim() != 2 or y.shape != h.shape[:1]:
        raise ValueError(f"features must be (N, d) and labels (N,); got {tuple(h.shape)}, {tuple(y.shape)}")
    return h, y.to(device or h.device, torch.int64)


class LabelRange:
    """The range of the labels seen; the check that they are in 0..C-1 runs at the end of a stream."""

    def __init__(self, num_classes: int) -> None:
        """Start without labels."""
        self._num_classes = num_classes
        self._ends: torch.Tensor | None = None

    def record_and_clamp(self, labels: torch.Tensor) -> torch.Tensor:
        """Record labels (n,), and return them clamped to 0..C-1 so that they can index a table of C rows."""
        if len(labels):
            lowest, highest = torch.aminmax(labels)
            ends = torch.stack((-lowest, highest))
            self._ends = ends if self._ends is None else torch.maximum(self._ends, ends)
        return labels.clamp(0, self._num_classes - 1)

    def check(self) -> None:
        """Raise ValueError if a label was outside 0..C-1."""
        if self._ends is None:
            return
        lowest, highest = -int(self._ends[0]), int(self._ends[1])
        if lowest < 0 or highest >= self._num_classes:
            raise ValueError(f"labels must be 0..{self._num_classes - 1}; got {lowest}..{highest}")


def check_labels(labels: torch.Tensor, num_classes: int) -> None:
    """Raise ValueError for a label outside 0..C-1."""
    seen = LabelRange(num_classes)
    seen.record_and_clamp(labels)
    seen.check()


def check_finite(sums: torch.Tensor, what: str = "features") -> None:
    """Raise ValueError, naming the values that are not finite. In sums, any such value shows up, which is cheaper to check."""
    if not torch.isfinite(sums).all():
        raise ValueError(f"{what} hold NaN or infinite values; the network has diverged (try a smaller learning rate)")


def power_of_two_rescaling_factor(*values: torch.Tensor) -> torch.Tensor:
    """Return the power of two (1,), in float64, that scales the largest absolute value of all to between 0.5 and 1.

    Multiplication by it loses no precision, and brings squares of very large or small values into the range of float32.
    It is 1 if all values are 0, and between 2^-126 and 2^126, so that it is a normal float32 number.
    """
    ends = [torch.stack(torch.aminmax(value)).double().abs().amax(0, keepdim=True) for value in values if value.numel()]
    largest = torch.cat([values[0].new_zeros(1, dtype=torch.float64), *ends]).amax(0, keepdim=True)
    mantissa, _exponent = torch.frexp(largest)
    return torch.where(largest > 0, mantissa / largest, 1.0).clamp(2.0**-126, 2.0**126)


class Shift:
    """Subtraction of float64 rows from features without rounding the rows: float32 keeps each row as a sum of two numbers.

    Float32 residuals are therefore exact to their last digit, even if they are tiny compared with the mean. Features
    and rows are first multiplied by `scale`, a power of two (1,), so residuals are those of scaled features. The output
    buffer is reused: a result is valid until the next call.
    """

    def __init__(self, rows: torch.Tensor, dtype: torch.dtype, scale: torch.Tensor) -> None:
        """Store the table of rows (R, d) in float64, the dtype of the residuals, and the scale."""
        rows = rows * scale
        self._high, self._scale = rows.to(dtype), scale.to(dtype)
        self._low = (rows - self._high).to(dtype) if dtype != torch.float64 else None
        self._space: list[torch.Tensor] = []

    def __call__(self, features: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
        """Return the scaled features (n, d) minus their scaled rows `of` (n,), as (n, d)."""
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
