"""The base of the lab's results: arrays, frames and plain numbers, which convert to and from npz."""

import math
from abc import ABC, abstractmethod
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import pandas as pd

from rnc.lab import npz


class Result(ABC):
    """The result of a request. Every kind of result is a frozen dataclass with these fields."""

    stored_as: ClassVar[str]
    """The name of the kind in stored results; never change it."""
    stopped: bool
    """True if the work was stopped; the result then holds what was completed."""
    as_recorded: bool
    """True if the images are those of the run; another source of a data set may order them differently."""
    device: str
    seconds: float

    @abstractmethod
    def _summary(self) -> dict[str, Any]:
        """Return the values of this kind of result that `summary` contains."""

    def summary(self) -> dict[str, Any]:
        """Return the values that a list of stored results shows, as strict JSON: numbers that are not finite become None."""
        common = {"kind": self.stored_as, "seconds": self.seconds, "stopped": self.stopped}
        return cast("dict[str, Any]", _strict(common | self._summary()))

    def to_bytes(self, *, compressed: bool = False) -> bytes:
        """Return the result as npz bytes; compress them for storage. `kinds.result_from_bytes` reads them back."""
        return npz.to_bytes(self, self.stored_as, compressed=compressed)

    @cached_property
    def nbytes(self) -> int:
        """The bytes of memory that the result's arrays and frames take."""
        values = [getattr(self, field.name) for field in fields(cast("Any", self))]
        arrays = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
        return arrays + sum(int(v.memory_usage(deep=True).sum()) for v in values if isinstance(v, pd.DataFrame))


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
