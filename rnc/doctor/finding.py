"""A single finding of the doctor.

Tested by tests/rnc/doctor/test_doctor.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    NOTE = "note"
    """Nothing is broken, but the user may want to know."""
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Finding:
    """A sentence about the finding, and its repair if there is one."""

    level: Level
    text: str
    repair: Callable[[], str] | None = None
    """Function that repairs the problem and returns what was done. Raises StoreError or OSError if this is impossible."""
