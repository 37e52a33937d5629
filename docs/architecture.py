"""The diagram of docs/architecture.md, from the imports of the code: `python docs/architecture.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from docs.tools import ROOT, fill
from tests.architecture import TOOLS, imports_of_rooms

EVERYBODYS = {"rnc", "rnc.vocabulary", "rnc.conditions", "rnc.ui.markdown", *TOOLS}
"""Rooms that nearly all others import: their arrows would hide the rest."""
DOCUMENT = ROOT / "docs" / "architecture.md"


def arrows() -> list[tuple[str, str]]:
    """Return which room imports which, of the rooms that not everybody imports, without arrows that a longer way shows too."""
    imports = {room: names - EVERYBODYS for room, names in imports_of_rooms().items() if room not in EVERYBODYS}
    return sorted(
        (room, name)
        for room, names in imports.items()
        for name in names
        if not any(name in _reached(imports, other, without=room) for other in names - {name})
    )


def _reached(imports: dict[str, set[str]], room: str, without: str) -> set[str]:
    """Return the rooms that lie behind a room, on ways that do not lead through `without`."""
    found: set[str] = set()
    left = [room]
    while left:
        new = imports[left.pop()] - found - {without}
        found |= new
        left += new
    return found


def diagram() -> str:
    """Return the diagram, in Mermaid's language: an arrow leads from a room to one whose code it imports."""
    lines = [f"  {_box(room)} --> {_box(name)}" for room, name in arrows()]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _box(room: str) -> str:
    return f"{room.replace('.', '_')}[{room.replace('.', '/')}]"


if __name__ == "__main__":
    fill(DOCUMENT, "rooms", diagram())
