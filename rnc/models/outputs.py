"""The logits in a network's output: a tensor, a tuple, a dict, or an object with attributes. Tests: test_last_layer.py."""

from collections.abc import Mapping
from typing import Any

import torch

Key = int | str | None
"""The position of the logits in an output: an index, a key or an attribute; None if the output is the logits."""
_ROUNDING = 1e-6
_FIRST = ("logits", "out", "output")


def tensors_in(output: Any) -> dict[Key, torch.Tensor]:
    """Return the tensors of an output by their keys, with the usual names of logits first."""
    if isinstance(output, torch.Tensor):
        return {None: output}
    if isinstance(output, Mapping):
        found: dict[Key, Any] = {key: value for key, value in output.items() if isinstance(key, str)}
    elif isinstance(output, tuple | list):
        found = dict(enumerate(output))
    else:
        found = dict(getattr(output, "__dict__", {}))
    keys = sorted(found, key=lambda key: key not in _FIRST)
    return {key: found[key] for key in keys if isinstance(found[key], torch.Tensor)}


def element(output: Any, key: Key) -> torch.Tensor:
    """Return the tensor that `tensors_in` returns under a key of an output."""
    if key is None:
        found: torch.Tensor = output
    elif isinstance(key, str) and not isinstance(output, Mapping):
        found = getattr(output, key)
    else:
        found = output[key]
    return found


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference between two tensors, relative to the largest value of the second."""
    one, other = one.detach(), other.detach()
    return float((one - other).abs().max() / other.abs().max().clamp_min(1e-12))


def factor(given: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the least-squares factor between two tensors of the same shape; exactly 1 if they differ only by rounding."""
    given, wanted = given.detach(), wanted.detach()
    number = float((given * wanted).sum() / (given * given).sum().clamp_min(1e-30))
    return 1.0 if abs(number - 1) < _ROUNDING else number
