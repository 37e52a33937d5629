"""Checks of the values in a request."""

import math
from enum import StrEnum
from itertools import pairwise
from typing import Any


class RequestError(ValueError):
    """A request with an invalid value; the message says what to do."""


def whole(name: str, value: Any, least: int, most: int) -> None:
    """Raise RequestError if the value is not a whole number from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RequestError(f"{name} must be a whole number from {least} to {most}, got {value!r}")


def text(name: str, value: Any) -> None:
    """Raise RequestError if the value is not a text, or is empty."""
    if not isinstance(value, str) or not value:
        raise RequestError(f"the {name} must be named; choose a run that kept a network")


def member(of: type[StrEnum], name: str, value: Any) -> Any:
    """Return the value as a member of an enum. Raises RequestError, which lists the members, if it is none."""
    try:
        return of(value)
    except ValueError:
        raise RequestError(f"{name} must be one of {', '.join(of)}, got {value!r}") from None


def ascending(name: str, values: Any, most: int) -> tuple[float, ...]:
    """Return the values as finite numbers >= 0.

    Raises RequestError if they are not such numbers, if there are none or too many, or if they do not ascend.
    """
    try:
        found = tuple(float(value) + 0.0 for value in values)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(f"the {name} must be numbers, got {values!r}") from None
    if not 1 <= len(found) <= most:
        raise RequestError(f"give 1 to {most} {name}, not {len(found)}")
    if not all(math.isfinite(value) and value >= 0 for value in found):
        raise RequestError(f"the {name} must be finite and not negative")
    if any(after <= before for before, after in pairwise(found)):
        raise RequestError(f"the {name} must ascend, each but once")
    return found
