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
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from rnc import event_log, processes
from rnc.command_output import printable
from rnc.file_locks import try_lock
from rnc.safe_paths import UnsafePathError, checked_name, open_lock_file, open_plain_file, quoted
from rnc.ui.readonly import refuse_if_readonly

_ROOT = Path(__file__).resolve().parents[2]
_LOG_LINES = 15
_LOG_BYTES = 64 * 1024  # read from the end of the log, most of which is progress bars
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_SECONDS = 0.2  # a process that checks if a training runs also holds the lock for a moment
_STOP_SECONDS = 30.0  # most stops take a few seconds
_EXIT_CODES_OF_A_STOP = (75, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)


class Phase(StrEnum):
    """The state of the training that the app can start."""

    IDLE = "idle"
    """None is under way, and this server has none to report about."""
    RUNNING = "running"
    STOPPING = "stopping"
    """Asked to stop; its processes have not ended yet."""
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"


class Training:
    """A `python -m train.run` process in its own process group, at most one at a time. Any thread may call the methods."""

    def __init__(self, store: Path) -> None:
        """Train into this store; the log lies beside it, under its name and `.training.log`."""
        self._store = store.resolve()
        self._log = self._store.with_name(f"{self._store.name}.training.log")
        self._process: subprocess.Popen | None = None
        self._name: str | None = None
        self._started_at = self._stop_requested_at = 0.0
        self._stopped_leaders: list[int] = []
        self._is_end_dismissed = False
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """True if a training into this store is under way, also if an earlier or another server started it."""
        return (self._process is not None and self._process.poll() is None) or self._is_locked()

    @property
    def exit_code_if_failed(self) -> int | None:
        """The exit code of this server's last process if it failed; None otherwise, and while a training is under way."""
        return self._process.poll() if self._process and self.phase is Phase.FAILED else None

    @property
    def phase(self) -> Phase:
        """The state of the training under way, or else of the last one that this server started or stopped."""
        if self.running:
            return Phase.STOPPING if any(map(_has_processes, self._stopped_leaders)) else Phase.RUNNING
        if self._is_end_dismissed:
            return Phase.IDLE
        if self._stopped_leaders:
            return Phase.STOPPED
        code = None if self._process is None else self._process.poll()
        if code is None:
            return Phase.IDLE
        return Phase.FINISHED if code == 0 else Phase.STOPPED if code in _EXIT_CODES_OF_A_STOP else Phase.FAILED

    @property
    def seconds_since_start(self) -> float | None:
        """The time since this server started its last training; None if it has started none."""
        return None if self._process is None else time.monotonic() - self._started_at

    @property
    def is_stop_overdue(self) -> bool:
        """True if the training was asked to stop a while ago and has not ended; it may then be asked again."""
        return self.phase is Phase.STOPPING and time.monotonic() - self._stop_requested_at > _STOP_SECONDS

    @property
    def can_resume(self) -> bool:
        """True if this server knows what to start so that the last training goes on."""
        return self._name is not None

    def dismiss_end(self) -> None:
        """Report nothing more about the last training: it has been seen that it ended."""
        self._is_end_dismissed = True

    def start_last_again(self) -> None:
        """Start the last training again: its finished runs are skipped, the others go on. Raises as `start` does."""
        if self._name is not None:
            self.start(self._name)

    def start(self, name: str) -> None:
        """Start a recipe, or resume the run of the store with this id, unless a training is under way.

        Raises ReadOnlyError in a public view, and UnsafePathError for a name that is none, or if the log's name is taken by
        something other than a regular file.
        """
        refuse_if_readonly()
        if checked_name(name, "recipe or run id").startswith("-"):
            raise UnsafePathError(f"recipe or run id {quoted(name)} begins with a dash, like an option of the command")
        with self._starting:
            if self.running:
                return
            self._log.parent.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "train.run", name, "--store", str(self._store)]
            with open_lock_file(self._log, create=True) as output:
                if not _lock(output.fileno()):
                    return
                output.truncate(0)
                self._process = subprocess.Popen(
                    command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
            self._name, self._started_at = name, time.monotonic()
            self._stopped_leaders, self._is_end_dismissed = [], False
        event_log.event("training started", recipe=name, process=self._process.pid)

    def stop(self) -> None:
        """Ask the whole process group to stop, as Ctrl-C would; what was measured stays in the store.

        Raises ReadOnlyError in a public view.
        """
        refuse_if_readonly()
        leaders = self._leaders()
        if leaders:
            self._stopped_leaders, self._stop_requested_at, self._is_end_dismissed = leaders, time.monotonic(), False
        for leader in leaders:
            event_log.event("training stopped", process=leader)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGINT)

    def last_log_line(self) -> str:
        """Return the last line of the log; empty if it has none."""
        return self.log_tail().rpartition("\n")[2]

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
        writers = [number for number in processes.processes_of_user() if processes.stdout_is(number, status)]
        leaders = [number for number in writers if processes.group(number) == number]
        return [number for number in leaders if {"train.run", str(self._store)} <= set(processes.arguments(number))]


def _has_processes(group: int) -> bool:
    """Return whether a process group still has a process."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
