"""The machine of a victim in miniature: what a stranger sent, and around it files that nobody may read or change.

`World` lays it out in a folder; `fingerprint` lists and hashes all that is not the stranger's or asked for.
"""

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

MARKER = "guard-3b9d51c7e2"
"""Stands in the content of every guarded file, and in names that a stranger cannot know."""
_OLD = time.time() - 30 * 86_400
_TEXTS = {
    "home/.bashrc": "export PATH",
    "home/.pgpass": "*:*:*:*:password",
    "home/.ssh/id_ed25519": "PRIVATE KEY",
    "victim/secret.txt": "secret",
    "victim/app.py": "print('the app')",
    "victim/uv.lock": "version = 1",
    "victim/precious/thesis.txt": "years of work",
    "victim/precious/draft.partial": "half of a draft",
    f"victim/{MARKER}-name.txt": "even its name",
    "victim/mine/app.py": "print('the app')",
    "victim/mine/uv.lock": "version = 1",
    "victim/here/app.py": "print('the app')",
    "victim/here/uv.lock": "version = 1",
}


@dataclass(frozen=True)
class World:
    """Folders: the stranger's store lies in `given`; `victim` is whose machine it is, who works in `here`."""

    root: Path

    @property
    def given(self) -> Path:
        """The folder that the stranger sent, with a store in it."""
        return self.root / "stranger" / "given"

    @property
    def store(self) -> Path:
        """The stranger's store."""
        return self.given / "that.duckdb"

    @property
    def victim(self) -> Path:
        """The user's own files."""
        return self.root / "victim"

    @property
    def mine(self) -> Path:
        """The store that runs are copied into."""
        return self.victim / "mine" / "mine.duckdb"

    @property
    def out(self) -> Path:
        """Where runs are exported to."""
        return self.victim / "out"

    @property
    def scratch(self) -> Path:
        """The folder that stands for /tmp."""
        return self.root / "scratch"

    def writable(self) -> list[Path]:
        """Folders in which a command that was given the store may make and change files."""
        beside = self.mine.parent
        extensions = self.root / "home" / ".cache" / "rnc"  # (of DuckDB, for lakes)
        return [self.given, self.out, self.scratch, beside / "locks", beside / "checkpoints", extensions]

    def may_change(self, path: Path) -> bool:
        """Return whether a command may make, change or remove this file."""
        own = path.parent == self.mine.parent and path.name.lstrip(".").startswith((self.mine.name, "rnc.log"))
        within = (folder for folder in self.writable())
        if path == self.root / "home" / ".cache":
            return True
        return (
            own or any(path == folder or path.is_relative_to(folder) for folder in within) or self._is_temporary(path)
        )

    def _is_temporary(self, path: Path) -> bool:
        return (
            any(part.startswith(f".{self.mine.name}-") for part in path.relative_to(self.root).parts)
            if (path.is_relative_to(self.root))
            else False
        )


def make_world(root: Path) -> World:
    """Lay out the victim's files, all of them old, and an empty folder for what was sent."""
    world = World(root)
    for name, text in _TEXTS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text} {MARKER} {name}\n")
    os.mkfifo(world.victim / "pipe")
    _make_device(world.victim / "zero")
    for folder in (world.given, world.scratch):
        folder.mkdir(parents=True)
    (world.given.parent / "app.py").write_text("print('the app of the stranger')\n")
    (world.given.parent / "uv.lock").write_text("the stranger's\n")
    for path in (*world.victim.rglob("*"), world.victim / "precious"):
        os.utime(path, (_OLD, _OLD), follow_symlinks=False)
    return world


def _make_device(path: Path) -> None:
    """A device of the victim's own, that no test may harm the machine's; where that is not permitted, a link to it."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        path.open("rb").close()
    except OSError:
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/zero")


def fingerprint(world: World) -> dict[str, tuple]:
    """Each path that no command may touch -> kind, mode, time of change, and the content's hash or the link's target."""
    found = {}
    for top, folders, files in os.walk(world.root):
        for name in (*folders, *files):
            path = Path(top, name)
            if path != world.given and not world.may_change(path):
                found[str(path.relative_to(world.root))] = _look_of(path)
        folders[:] = [name for name in folders if not world.may_change(Path(top, name))]
    return found


def _look_of(path: Path) -> tuple:
    look = path.lstat()
    if stat.S_ISREG(look.st_mode):
        return "file", oct(look.st_mode), look.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()
    if stat.S_ISLNK(look.st_mode):
        return "link", os.readlink(path)
    return ("folder" if stat.S_ISDIR(look.st_mode) else "other", oct(look.st_mode))


def changes(before: dict[str, tuple], after: dict[str, tuple]) -> list[str]:
    """Return the files that were made, changed or removed, in words."""
    return [
        *(f"made {path}" for path in sorted(after.keys() - before.keys())),
        *(f"removed {path}" for path in sorted(before.keys() - after.keys())),
        *(f"changed {path}" for path in sorted(before.keys() & after.keys()) if before[path] != after[path]),
    ]


def secrets_of(world: World) -> list[bytes]:
    """Return the bytes that must stand in no output: the marker, and the beginning of each guarded file's SHA-256."""
    digests = [hashlib.sha256((world.root / name).read_bytes()).hexdigest()[:12] for name in _TEXTS]
    return [MARKER.encode(), *(digest.encode() for digest in digests)]
