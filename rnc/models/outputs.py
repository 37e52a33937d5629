"""The logits in a network's output: a tensor, a tuple, a dict, or an object with attributes.

Tested by tests/rnc/models/test_last_layer.py.
"""

from collections.abc import Mapping
from typing import Any

import torch

OutputPosition = int | str | None
"""The position of the logits in an output: an index, a key or an attribute; None if the output is the logits."""
_ROUNDING = 1e-6
_USUAL_NAMES = ("logits", "out", "output")


def tensors_in(output: Any) -> dict[OutputPosition, torch.Tensor]:
    """Return the tensors of an output by their keys, with the usual names of logits first."""
    if isinstance(output, torch.Tensor):
        return {None: output}
    if isinstance(output, Mapping):
        values: dict[OutputPosition, Any] = {key: value for key, value in output.items() if isinstance(key, str)}
    elif isinstance(output, tuple | list):
        values = dict(enumerate(output))
    else:
        values = dict(getattr(output, "__dict__", {}))
    keys = sorted(values, key=lambda key: key not in _USUAL_NAMES)
    return {key: values[key] for key in keys if isinstance(values[key], torch.Tensor)}


def tensor_at(output: Any, key: OutputPosition) -> torch.Tensor:
    """Return the tensor that `tensors_in` returns under a key of an output."""
    if key is None:
        tensor: torch.Tensor = output
    elif isinstance(key, str) and not isinstance(output, Mapping):
        tensor = getattr(output, key)
    else:
        tensor = output[key]
    return tensor


def relative_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference between two tensors, relative to the largest value of the second."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-12))


def least_squares_factor(source: torch.Tensor, target: torch.Tensor) -> float:
    """Return the least-squares factor from `source` to `target` (same shape); exactly 1 if they differ only by rounding."""
    source, target = source.detach(), target.detach()
    number = float((source * target).sum() / (source * source).sum().clamp_min(1e-30))
    return 1.0 if abs(number - 1) < _ROUNDING else number
