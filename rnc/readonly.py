"""A public view: `RNC_READONLY=1` switches off whatever starts, stops, edits or deletes. Attacks of the lab still run."""

import os

VARIABLE = "RNC_READONLY"
SAID = f"This is a public view: runs and kept results can be looked at and attacked, not changed ({VARIABLE})."


class ReadOnlyError(Exception):
    """Something was to be changed in a public view."""


def is_readonly() -> bool:
    """Whether the environment asks for a public view; any value does but none, 0, no, false and off."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "no", "false", "off")


def refuse_if_readonly() -> None:
    """Raise ReadOnlyError in a public view. Pages offer no such control there; this holds where one does by mistake."""
    if is_readonly():
        raise ReadOnlyError(SAID)
