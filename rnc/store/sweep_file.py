"""Sweeps: what was asked for, a folder a sweep beside the store. How far its runs are, the store alone says.

`sweeps/NAME/sweep.json` holds the runs with their sizes and the jobs that were given them; the jobs' logs lie beside it. The
folder may have come with somebody else's store: a file that makes no sense is named and left out, and none is followed
out of the folder.
"""

import json
import os
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rnc.atomic_files import whole_file
from rnc.safe_paths import UnsafePathError, open_plain_file, path_inside, shown
from rnc.store.connection import StoreWriteError
from rnc.store.sweep_checks import VERSION, SweepFileError, checked_sweep, checked_sweep_name

MOST_BYTES = 8 * 2**20
"""Of a sweep's file: a run takes 1.5 kB."""
MOST_BYTES_TOGETHER = 16 * 2**20
"""Of all sweeps' files beside a store; those that come after by name are left out."""
_MOST_FOLDERS = 1_000
_SETTLED_SECONDS = 2.0
"""The age from which a file's time of change tells its content: two changes within a clock's tick have one time."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep."""

    config: dict[str, Any]
    epochs: int
    seconds: float
    """What it would take on the machine that planned it: runs are weighed by it, since TRADES costs ten times ST."""


@dataclass(frozen=True)
class Job:
    """Some runs in the hands of an engine."""

    job_id: str
    run_ids: list[str]
    cancelled: bool = False
    """Whether it was told to end, which may take until its runs' epochs do."""
    folder: str = ""
    """The name of the job's own folder in the sweep's `jobs`; jobs of older versions lie in `jobs` itself."""
    process: str = ""
    """Which process `job_id` is on this machine (`rnc.processes.identity`), since numbers of processes are used again."""


@dataclass
class Sweep:
    """A sweep as its file has it."""

    name: str
    engine: str
    options: dict[str, Any]
    """How its jobs are submitted, so that failed runs can be tried again in the same way."""
    runs: dict[str, PlannedRun]
    jobs: list[Job] = field(default_factory=list)

    def save(self, store: Path) -> None:
        """Write the file; who reads meanwhile finds the old one or the new one. Raises StoreWriteError where it cannot be."""
        folder = sweep_folder(store, self.name)
        try:
            with whole_file(folder / "sweep.json", f".{uuid.uuid4().hex}.partial") as file:
                file.write(json.dumps({"version": VERSION} | asdict(self)).encode())
        except OSError as error:
            raise StoreWriteError(
                f"the sweep's file in {folder} cannot be written ({error.strerror}); free space or allow writing there, then "
                "start the same command again"
            ) from None


@dataclass(frozen=True)
class FoundSweeps:
    """The sweeps beside a store."""

    sweeps: list[Sweep]
    """By name."""
    left_out: dict[str, str]
    """Why the file of a folder (name) is not used."""


def sweep_folder(store: Path, name: str) -> Path:
    """Return where a sweep of a store has its file and its logs. Raises StoreWriteError where a link leads out of there."""
    try:
        return path_inside(store.parent, f"sweeps/{checked_sweep_name(name)}", "sweep")
    except (UnsafePathError, SweepFileError) as error:
        raise StoreWriteError(str(error)) from None


def sweeps_of(store: Path) -> list[Sweep]:
    """Return the sweeps that write to a store, by name, without those whose files make no sense."""
    return find_sweeps(store).sweeps


def find_sweeps(store: Path) -> FoundSweeps:
    """Return the sweeps beside a store, and which are left out and why."""
    found: list[Sweep] = []
    left_out: dict[str, str] = {}
    room = MOST_BYTES_TOGETHER
    try:
        names = _folders(store)
    except UnsafePathError as error:
        return FoundSweeps([], {"sweeps": str(error)})
    for name in names:
        try:
            sweep, size = _load(store, name, room)
        except FileNotFoundError:  # (no sweep, or one that another process is about to begin)
            continue
        except (SweepFileError, UnsafePathError) as error:
            left_out[name] = str(error)
        except OSError as error:
            left_out[name] = f"it cannot be read ({error.strerror})"
        else:
            found.append(sweep)
            room -= size
    return FoundSweeps(found, left_out)


def _folders(store: Path) -> list[str]:
    """Return the names of what lies in the folder of the sweeps. Raises UnsafePathError where that is a link out."""
    try:
        names = os.listdir(path_inside(store.parent, "sweeps", "folder"))
    except OSError:  # (there are none, or what is there is no folder)
        return []
    return sorted(name for name in names if not name.startswith("."))[:_MOST_FOLDERS]


def _load(store: Path, name: str, room: int) -> tuple[Sweep, int]:
    """Return a folder's sweep and its file's bytes. Raises FileNotFoundError where the folder is none of a sweep."""
    folder = path_inside(store.parent, f"sweeps/{name}", "folder")
    if not folder.is_dir():
        raise FileNotFoundError(name)
    with open_plain_file(folder / "sweep.json", "the file", most_bytes=MOST_BYTES) as file:
        status = os.fstat(file.fileno())
        if status.st_size > room:
            raise SweepFileError(f"the sweeps before it have {MOST_BYTES_TOGETHER - room:,} bytes; no more are read")
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if (sweep := _known.get(stamp)) is None:
            sweep = _parsed(file.read(MOST_BYTES + 1), name)
            if time.time() - status.st_mtime > _SETTLED_SECONDS:
                _remember(stamp, sweep)
    if sweep.name != name:  # (the same file under two names)
        raise SweepFileError(f"it calls itself {shown(sweep.name)}, but its folder {shown(name)}")
    return replace(sweep, options=dict(sweep.options), runs=dict(sweep.runs), jobs=list(sweep.jobs)), status.st_size


def _parsed(content: bytes, name: str) -> Sweep:
    found = checked_sweep(content, name)
    runs = {run_id: PlannedRun(**run) for run_id, run in found["runs"].items()}
    return Sweep(found["name"], found["engine"], found["options"], runs, [Job(**job) for job in found["jobs"]])


_known: dict[tuple[int, int, int, int], Sweep] = {}
"""What files hold, by device, inode, time of change and size: pages ask for them every few seconds."""
_known_lock = threading.Lock()


def _remember(stamp: tuple[int, int, int, int], sweep: Sweep) -> None:
    """Keep a sweep; those kept before make room where there are too many."""
    with _known_lock:
        if sum(size for *_rest, size in _known) + stamp[-1] > MOST_BYTES_TOGETHER:
            _known.clear()
        _known[stamp] = sweep


def said_left_out(name: str, reason: str) -> str:
    """Return the sentence about a sweep that is left out."""
    return f"sweep {shown(name)} is left out: {reason}"
