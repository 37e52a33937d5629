"""One thing that the doctor found."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Nothing is broken; people may want to know."""
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Finding:
    """A sentence, and the repair where there is one."""

    level: Level
    text: str
    repair: Callable[[], str] | None = None
    """Does it, and says what was done. Raises StoreError or OSError where it cannot be done."""
