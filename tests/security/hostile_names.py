"""Names that do harm where they become a path, and a tree of files outside a store in which nothing may change."""

import hashlib
import os
from pathlib import Path

RUN_IDS = [
    "../precious", "../../precious", "{guard}/precious", "..", ".", "", "a/../../precious", "a\\..\\precious", "a\0b", "a\nb",
    "\x1b]0;owned\x07", "a\u2215b", "\uff0e\uff0e", "\u202ea", ".hidden", " a", "x" * 10_000, "CON/../x", "a/",
]  # fmt: skip


def plant(guard: Path) -> Path:
    """Make files outside a store that a stranger would like to read, change or remove."""
    for name in ("precious/notes.txt", "precious/run.parquet", "uv.lock", "app.py", ".bashrc", "keys/id_ed25519"):
        file = guard / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"the only copy of {name}\n")
    return guard


def snapshot(folder: Path) -> dict[str, str]:
    """Return what every path below a folder is: a file's hash, a link's target, or the kind of anything else."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink():
                found[str(path.relative_to(folder))] = f"link to {path.readlink()}"
            elif path.is_file():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path.relative_to(folder))] = "folder" if path.is_dir() else "special"
    return found
