"""Start and stop training from the app: a subprocess that reports through the store (design, decision 10).

One training at a time writes `STORE.training.log` beside the store. It holds a lock on that file, which the operating system
takes back when the last of its processes ends. So it is one however often, from however many sessions and servers it is asked
for, and a server that was started anew finds the training that is still under way.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from rnc import log, processes
from rnc.command_line import printable
from rnc.safe_paths import UnsafePathError, open_lock_file, open_plain_file
from rnc.ui.readonly import refuse_if_readonly

_ROOT = Path(__file__).resolve().parents[2]
_LOG_LINES = 15
_LOG_BYTES = 64 * 1024  # of the end; progress bars take most of it
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LOOKS, _LOOK_SECONDS = 10, 0.02  # whoever looks whether a training runs holds the lock for a moment, too


class Training:
    """One `python -m train.run` at a time, in a process group of its own. All methods may be called from any thread."""

    def __init__(self, store: Path) -> None:
        """Train into this store; the log lies beside it, under its name and `.training.log`."""
        self._store = store.resolve()
        self._log = self._store.with_name(f"{self._store.name}.training.log")
        self._process: subprocess.Popen | None = None
        self._starting = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether a training that an app started into this store is under way, be it an earlier or another server's."""
        return (self._process is not None and self._process.poll() is None) or self._is_locked()

    @property
    def exit_code(self) -> int | None:
        """How the last process of this server ended; None before the first and while one runs."""
        return self._process.poll() if self._process and not self._is_locked() else None

    def start(self, recipe: str) -> None:
        """Start a recipe, unless a training is under way.

        Raises ReadOnlyError in a public view, and UnsafePathError where something that is no plain file has the log's name.
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
        """Ask the whole group to stop, as Ctrl-C would; what was measured stays in the store.

        Raises ReadOnlyError in a public view.
        """
        refuse_if_readonly()
        for leader in self._leaders():
            log.event("training stopped", process=leader)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGINT)

    def log_tail(self) -> str:
        """The last lines of the log, progress bars reduced to their last state, without commands to a terminal."""
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
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except (OSError, UnsafePathError):  # (there is none, or the disk knows no locks)
            return False
        return False

    def _leaders(self) -> list[int]:
        """Return the process that leads the training's group: this server's, or one that another server started.

        Such a one has the log as its standard output and was started by the command of `start` for this store.
        """
        if self._process is not None and self._process.poll() is None:
            return [self._process.pid]
        try:
            with open_plain_file(self._log, "log of the training") as file:
                status = os.fstat(file.fileno())
        except (OSError, UnsafePathError):
            return []
        writers = [number for number in processes.own_processes() if processes.writes_to(number, status)]
        leaders = [number for number in writers if processes.group(number) == number]
        return [number for number in leaders if {"train.run", str(self._store)} <= set(processes.arguments(number))]


def _lock(file: int) -> bool:
    """Lock a file for the process that inherits it. A disk that knows no locks leaves it to this server to start one alone."""
    for _look in range(_LOOKS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_LOOK_SECONDS)
        except OSError:
            return True
    return False


_trainings: dict[Path, Training] = {}
_trainings_lock = threading.Lock()


def training_of(store: Path) -> Training:
    """Return the one training of this server into a store.

    It is not in Streamlit's cache, which any visitor's browser may clear: the run under way would be forgotten, and another
    could be started beside it.
    """
    with _trainings_lock:
        return _trainings.setdefault(store.resolve(), Training(store))
