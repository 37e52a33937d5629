"""Files of sweeps: the planned runs, in one folder per sweep beside the store. Only the store knows the progress of the runs.

`sweeps/NAME/sweep.json` holds the runs with their sizes and the jobs that they were given to; the jobs' logs lie beside
it. The folder may have come with another user's store: an invalid file is named and left out, and no link out of the
folder is followed.
"""

import json
import os
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rnc.atomic_files import atomic_file
from rnc.safe_paths import UnsafePathError, open_plain_file, path_inside, quoted
from rnc.store.errors import StoreWriteError, SweepFileError
from rnc.store.sweep_file_checks import VERSION, checked_sweep, checked_sweep_name

MOST_BYTES = 8 * 2**20
"""Maximum size of a sweep's file: a run takes 1.5 kB."""
MOST_BYTES_TOGETHER = 16 * 2**20
"""Maximum total size of all sweep files beside a store; later ones in the order of names are left out."""
_MOST_FOLDERS = 1_000
_SETTLED_SECONDS = 2.0
"""Age from which a file's modification time identifies its content: two changes within a clock tick share one time."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep."""

    config: dict[str, Any]
    epochs: int
    seconds: float
    """Estimated time on the machine that planned the run: a weight for the progress, since TRADES costs ten times ST."""


@dataclass(frozen=True)
class Job:
    """Some runs that were given to an engine."""

    job_id: str
    run_ids: list[str]
    cancelled: bool = False
    """True if the end of the job was requested, which may take until the current epochs of its runs end."""
    folder: str = ""
    """The name of the job's own folder in the sweep's `jobs`; jobs of older versions lie in `jobs` itself."""
    process: str = ""
    """Identity of the process `job_id` on this machine (`rnc.processes.identity`), since process numbers are used again."""


@dataclass
class Sweep:
    """A sweep as stored in its file."""

    name: str
    engine: str
    options: dict[str, Any]
    """The submission options of its jobs, so that failed runs can be tried again in the same way."""
    runs: dict[str, PlannedRun]
    jobs: list[Job] = field(default_factory=list)

    def save(self, store: Path) -> None:
        """Write the file; a reader finds either the old file or the new one. Raises StoreWriteError if writing fails."""
        folder = sweep_folder(store, self.name)
        try:
            with atomic_file(folder / "sweep.json", f".{uuid.uuid4().hex}.partial") as file:
                file.write(json.dumps({"version": VERSION} | asdict(self)).encode())
        except OSError as error:
            raise StoreWriteError(
                f"the sweep's file in {folder} cannot be written ({error.strerror}); free space or allow writing there, then "
                "start the same command again"
            ) from None


@dataclass(frozen=True)
class SweepListing:
    """The sweeps beside a store."""

    sweeps: list[Sweep]
    """Sorted by name."""
    left_out: dict[str, str]
    """Folder name -> the reason why its file is not used."""


def sweep_folder(store: Path, name: str) -> Path:
    """Return the folder of a sweep's file and logs. Raises StoreWriteError if a link leads out of the store's folder."""
    try:
        return path_inside(store.parent, f"sweeps/{checked_sweep_name(name)}", "sweep")
    except (UnsafePathError, SweepFileError) as error:
        raise StoreWriteError(str(error)) from None


def sweeps_of(store: Path) -> list[Sweep]:
    """Return the sweeps that write to a store, sorted by name, without those whose files are invalid."""
    return find_sweeps(store).sweeps


def find_sweeps(store: Path) -> SweepListing:
    """Return the sweeps beside a store, and those left out with the reasons."""
    sweeps: list[Sweep] = []
    left_out: dict[str, str] = {}
    room = MOST_BYTES_TOGETHER
    try:
        names = _folders(store)
    except UnsafePathError as error:
        return SweepListing([], {"sweeps": str(error)})
    for name in names:
        try:
            sweep, size = _load(store, name, room)
        except FileNotFoundError:  # no sweep, or one that another process is about to begin
            continue
        except (SweepFileError, UnsafePathError) as error:
            left_out[name] = str(error)
        except OSError as error:
            left_out[name] = f"it cannot be read ({error.strerror})"
        else:
            sweeps.append(sweep)
            room -= size
    return SweepListing(sweeps, left_out)


def _folders(store: Path) -> list[str]:
    """Return the names in the folder of the sweeps. Raises UnsafePathError if it is a link to another place."""
    try:
        names = os.listdir(path_inside(store.parent, "sweeps", "folder"))
    except OSError:  # there is no such folder, or it is not a folder
        return []
    return sorted(name for name in names if not name.startswith("."))[:_MOST_FOLDERS]


def _load(store: Path, name: str, room: int) -> tuple[Sweep, int]:
    """Return a folder's sweep and its file's bytes. Raises FileNotFoundError if the folder holds no sweep."""
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
    if sweep.name != name:  # the same file under two names
        raise SweepFileError(f"it calls itself {quoted(sweep.name)}, but its folder {quoted(name)}")
    return replace(sweep, options=dict(sweep.options), runs=dict(sweep.runs), jobs=list(sweep.jobs)), status.st_size


def _parsed(content: bytes, name: str) -> Sweep:
    fields = checked_sweep(content, name)
    runs = {run_id: PlannedRun(**run) for run_id, run in fields["runs"].items()}
    return Sweep(fields["name"], fields["engine"], fields["options"], runs, [Job(**job) for job in fields["jobs"]])


_known: dict[tuple[int, int, int, int], Sweep] = {}
"""Parsed files by device, inode, modification time and size, since pages read them every few seconds."""
_known_lock = threading.Lock()


def _remember(stamp: tuple[int, int, int, int], sweep: Sweep) -> None:
    """Cache a sweep; the cache is cleared first if it would become too large."""
    with _known_lock:
        if sum(size for *_rest, size in _known) + stamp[-1] > MOST_BYTES_TOGETHER:
            _known.clear()
        _known[stamp] = sweep


def left_out_message(name: str, reason: str) -> str:
    """Return the message about a sweep that is left out."""
    return f"sweep {quoted(name)} is left out: {reason}"
