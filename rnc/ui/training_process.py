"""Start and stop of training from the app: a subprocess that reports through the store (design, decision 10).

A training writes `STORE.training.log` beside the store and holds a lock on that file, which the operating system releases when
the last of its processes ends. Therefore at most one training runs, even if several sessions and servers start it, and a
restarted server finds the training that is still under way.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from rnc import log, processes
from rnc.command_line import printable
from rnc.file_locks import try_lock
from rnc.safe_paths import UnsafePathError, open_lock_file, open_plain_file
from rnc.ui.readonly import refuse_if_readonly

_ROOT = Path(__file__).resolve().parents[2]
_LOG_LINES = 15
_LOG_BYTES = 64 * 1024  # read from the end of the log, most of which is progress bars
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_SECONDS = 0.2  # a process that checks if a training runs also holds the lock for a moment


class Training:
    """A `python -m train.run` process in its own process group, at most one at a time. Any thread may call the methods."""

    def __init__(self, store: Path) -> None:
        """Train into this store; the log lies beside it, under its name and `.training.log`."""
        self._store = store.resolve()
        self._log = self._store.with_name(f"{self._store.name}.training.log")
        self._process: subprocess.Popen | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """True if a training into this store is under way, also if an earlier or another server started it."""
        return (self._process is not None and self._process.poll() is None) or self._is_locked()

    @property
    def exit_code(self) -> int | None:
        """The exit code of this server's last process; None before the first one and while a training is under way."""
        return self._process.poll() if self._process and not self._is_locked() else None

    def start(self, recipe: str) -> None:
        """Start a recipe, unless a training is under way.

        Raises ReadOnlyError in a public view, and UnsafePathError if the log's name is taken by something other than a regular
        file.
        """
        refuse_if_readonly()
        with self._starting:
            if self.running:
                return
            self._log.parent.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "train.run", recipe, "--store", str(self._store)]
            with open_lock_file(self._log, create=True) as output:
                if not _lock(output.fileno()):
                    return
                output.truncate(0)
                self._process = subprocess.Popen(
                    command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
        log.event("training started", recipe=recipe, process=self._process.pid)

    def stop(self) -> None:
        """Ask the whole process group to stop, as Ctrl-C would; what was measured stays in the store.

        Raises ReadOnlyError in a public view.
        """
        refuse_if_readonly()
        for leader in self._leaders():
            log.event("training stopped", process=leader)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGINT)

    def log_tail(self) -> str:
        """Return the last lines of the log, with only the last state of progress bars and without terminal escape sequences."""
        try:
            with open_plain_file(self._log, "log of the training") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
                text = file.read(_LOG_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return ""
        except (OSError, UnsafePathError) as error:
            return f"the log of the training cannot be read: {error}"
        lines = [printable(_ESCAPE_SEQUENCE.sub("", line)) for line in re.split(r"[\r\n]+", text)]
        return "\n".join([line for line in lines if line.strip()][-_LOG_LINES:])

    def _is_locked(self) -> bool:
        """Return whether a process holds the lock on the log."""
        try:
            with open_lock_file(self._log, create=False) as file:
                return not try_lock(file.fileno(), shared=True)
        except (OSError, UnsafePathError):  # there is no log, or the file system does not support locks
            return False

    def _leaders(self) -> list[int]:
        """Return the process that leads the training's group, started by this server or another one.

        A process of another server is recognised by the log as its standard output and by the command of `start` for this store.
        """
        if self._process is not None and self._process.poll() is None:
            return [self._process.pid]
        try:
            with open_plain_file(self._log, "log of the training") as file:
                status = os.fstat(file.fileno())
        except (OSError, UnsafePathError):
            return []
        writers = [number for number in processes.processes_of_user() if processes.writes_to(number, status)]
        leaders = [number for number in writers if processes.group(number) == number]
        return [number for number in leaders if {"train.run", str(self._store)} <= set(processes.arguments(number))]


def _lock(file: int) -> bool:
    """Lock a file for the process that inherits it, and return whether the lock was free.

    Without locks in the file system the result is true, and only this server makes sure that one training runs at a time.
    """
    try:
        return try_lock(file, patience=_PATIENCE_SECONDS)
    except OSError:
        return True


_trainings: dict[Path, Training] = {}
_trainings_lock = threading.Lock()


def training_of(store: Path) -> Training:
    """Return this server's only training for a store.

    It is not kept in Streamlit's cache, because any visitor's browser can clear that. The current training would then be
    forgotten, and a second one could be started beside it.
    """
    with _trainings_lock:
        return _trainings.setdefault(store.resolve(), Training(store))
