"""The source of an attack in the lab, a stored network and its images, and the checks of the values in a request.

Tested by tests/rnc/lab/test_request_base.py.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from rnc.safe_paths import UnsafePathError, path_inside, quoted
from rnc.vocabulary import Split

_MOST = 2**31 - 1
_MOST_LETTERS = {"checkpoint": 4096, "run_id": 1000, "dataset": 2**19, "model": 1000, "fingerprint": 200}
"""Longest length of each text; a data set may be a reference to a user's images with the names of their classes."""


class RequestError(ValueError):
    """Error raised for a request with an invalid value; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """A stored network and the images that it is attacked on, as a run recorded them. Raises RequestError."""

    checkpoint: str
    """The file's path. The result depends on the file's `sha256`, not on its place."""
    sha256: str
    run_id: str
    epoch: int
    dataset: str
    split: Split
    subset: int = 0
    """The number of images of the split that the run used; 0 for all."""
    fingerprint: str | None = None
    """`ImageSet.fingerprint` of these images; None if the run did not record it."""
    model: str = ""
    """The name of the network's model; networks of the same name are expected to take equally long."""

    def __post_init__(self) -> None:
        """Check the fields and convert the split to its enum."""
        object.__setattr__(self, "split", enum_member(Split, "split", self.split))
        check_integer("epoch", self.epoch, 0, _MOST)
        check_integer("subset", self.subset, 0, _MOST)
        for name in ("checkpoint", "run_id", "dataset"):
            _check_text(f"{name} of a source", getattr(self, name))
        for name, most in _MOST_LETTERS.items():
            if isinstance(value := getattr(self, name), str) and len(value) > most:
                raise RequestError(f"the {name} of a source may have at most {most:,} characters, got {len(value):,}")
        if not isinstance(self.sha256, str) or len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise RequestError(f"the sha256 of a checkpoint has 64 hexadecimal digits, got {self.sha256!r}")
        if not isinstance(self.model, str) or not isinstance(self.fingerprint, str | None):
            raise RequestError("model and fingerprint of a source must be texts")

    @property
    def label(self) -> str:
        """The label quoted to users: `RUN · epoch 10 · test`."""
        return f"{self.run_id} · epoch {self.epoch} · {self.split}"

    @property
    def identity(self) -> dict[str, Any]:
        """The fields on which a result depends."""
        names = ("sha256", "dataset", "split", "subset", "fingerprint")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the source as a JSON object; `Source(**object)` reads it back."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def refusal_of_place(sources: Iterable[Source], folders: Callable[[], Iterable[Path]] | None) -> str | None:
    """Return why networks are not read: one lies outside all folders after links are resolved. None if they are read.

    If `folders` is None, networks are read from any place.
    """
    if folders is None:
        return None
    return next((refusal for source in sources if (refusal := _refusal(source, folders()))), None)


def _refusal(source: Source, folders: Iterable[Path]) -> str | None:
    place, reason = Path(source.checkpoint), ""
    for folder in folders:
        for home in (folder.absolute(), folder.resolve()):
            if not place.is_relative_to(home):
                continue
            try:
                path_inside(home, place.relative_to(home).as_posix(), "checkpoint")
                return None
            except UnsafePathError as error:
                reason = f": {error}"
    outside = ": it lies outside the folders of this store and gallery"
    return f"the network {quoted(source.checkpoint)} is not read{reason or outside}"


def check_integer(name: str, value: Any, least: int, most: int) -> None:
    """Raise RequestError if the value is not a whole number from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError(f"{name} must be a whole number from {least} to {most}, got {value!r}")


def enum_member(of: type[StrEnum], name: str, value: Any) -> Any:
    """Return the value as a member of an enum. Raises RequestError, which lists the members, if it is not one."""
    try:
        return of(value)
    except ValueError:
        raise RequestError(f"{name} must be one of {', '.join(of)}, got {value!r}") from None


def ascending_numbers(name: str, values: Any, most: int) -> tuple[float, ...]:
    """Return the values as finite numbers >= 0.

    Raises RequestError if they are not such numbers, if there are none or too many, or if they do not ascend.
    """
    try:
        numbers = tuple(float(value) + 0.0 for value in values)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(f"the {name} must be numbers, got {values!r}") from None
    if not 1 <= len(numbers) <= most:
        raise RequestError(f"give 1 to {most} {name}, not {len(numbers)}")
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise RequestError(f"the {name} must be finite and not negative")
    if any(after <= before for before, after in pairwise(numbers)):
        raise RequestError(f"the {name} must ascend without repetition")
    return numbers


def _check_text(name: str, value: Any) -> None:
    """Raise RequestError if the value is not a text, or is empty."""
    if not isinstance(value, str) or not value:
        raise RequestError(f"the {name} is missing; choose a run that kept a network")
