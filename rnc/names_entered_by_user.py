"""Notes in the home folder of the names that this account has entered; an untrusted store may lead only to these.

Each line is one text as JSON, in files of `~/.local/state/rnc` (or of XDG_STATE_HOME).

Tested by tests/rnc/datasets/test_allowed_folders.py.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path

_MOST_BYTES = 2**20


def state_file(file_name: str) -> Path:
    """Return the path of the file of that name, even if it does not exist."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state else Path.home() / ".local" / "state") / "rnc" / file_name


def append_missing_to_file(file_name: str, texts: Collection[str]) -> None:
    """Add those texts that are missing to the file of that name. Raises OSError if it cannot be written."""
    new = set(texts) - set(texts_in_file(file_name))
    if not new:
        return
    file = state_file(file_name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write("".join(json.dumps(text) + "\n" for text in sorted(new)))


def texts_in_file(file_name: str) -> list[str]:
    """Return the texts in the file of that name; lines that are not JSON texts are skipped."""
    try:
        with state_file(file_name).open(encoding="utf-8") as lines:
            content = lines.read(_MOST_BYTES)
    except (OSError, UnicodeDecodeError, RuntimeError):  # no such file, or no home folder
        return []
    texts = []
    for line in content.splitlines():
        try:
            text = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(text, str):
            texts.append(text)
    return texts
