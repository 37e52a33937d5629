"""A public view: `RNC_READONLY=1` switches off whatever starts, stops, edits or deletes. Attacks of the lab still run."""

import os
from pathlib import Path

VARIABLE = "RNC_READONLY"
SAID = f"This is a public view: runs and kept results can be looked at and attacked, not changed ({VARIABLE})."


class ReadOnlyError(Exception):
    """Something was to be changed in a public view."""


def is_readonly() -> bool:
    """Whether the environment asks for a public view; any value does but none, 0, no, false and off."""
    return os.environ.get(VARIABLE, "").strip().lower() not in ("", "0", "no", "false", "off")


def told_store(path: Path) -> str:
    """Return a store's path as a page tells it: visitors of a public view learn no folder of the machine."""
    return path.name if is_readonly() else str(path)


def without_folder(text: str, path: Path) -> str:
    """Return a text as a page tells it: in a public view without the folder that the store at `path` lies in."""
    return text.replace(f"{path.resolve().parent}/", "").replace(f"{path.parent}/", "") if is_readonly() else text


def refuse_if_readonly() -> None:
    """Raise ReadOnlyError in a public view. Pages offer no such control there; this holds where one does by mistake."""
    if is_readonly():
        raise ReadOnlyError(SAID)
