"""The public view: `RNC_READONLY=1` disables all controls that start, stop, edit or delete; attacks of the lab still run.

Tested by tests/pages/test_readonly.py.
"""

import os
from pathlib import Path

READONLY_VARIABLE = "RNC_READONLY"
READONLY_MESSAGE = (
    f"This is a public view ({READONLY_VARIABLE} is set): runs can be viewed and attacked, but nothing can be changed."
)


class ReadOnlyError(Exception):
    """Error raised by an attempt to change something in a public view."""


def is_readonly() -> bool:
    """Return whether the environment asks for a public view: any value except an empty one, 0, no, false and off."""
    return os.environ.get(READONLY_VARIABLE, "").strip().lower() not in ("", "0", "no", "false", "off")


def displayed_path(path: Path) -> str:
    """Return a store's path for display: in a public view only its name, so that visitors learn no folder of the machine."""
    return path.name if is_readonly() else str(path)


def without_folder(text: str, path: Path) -> str:
    """Return a text for display: in a public view without the path of the folder that contains the store at `path`."""
    return text.replace(f"{path.resolve().parent}/", "").replace(f"{path.parent}/", "") if is_readonly() else text


def refuse_if_readonly() -> None:
    """Raise ReadOnlyError in a public view, in case a page offers such a control there by mistake."""
    if is_readonly():
        raise ReadOnlyError(READONLY_MESSAGE)
