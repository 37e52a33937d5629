"""Start and stop training from the app: a subprocess that reports through the store (design, decision 10)."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rnc import log
from rnc.readonly import refuse_if_readonly

_ROOT = Path(__file__).resolve().parents[1]
_LOG_LINES = 15


class Training:
    """One `python -m train.run` at a time, in a process group of its own."""

    def __init__(self, store: Path) -> None:
        """Train into this store; the log lies beside it as `training.log`."""
        self._store = store.resolve()
        self._log = self._store.with_name("training.log")
        self._process: subprocess.Popen | None = None

    @property
    def running(self) -> bool:
        """Whether the process that this app started is under way."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended; None before the first and while it runs."""
        return self._process.poll() if self._process else None

    def start(self, recipe: str) -> None:
        """Start a recipe, unless one is under way. Raises ReadOnlyError in a public view."""
        refuse_if_readonly()
        if self.running:
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "train.run", recipe, "--store", str(self._store)]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        log.event("training started", recipe=recipe, process=self._process.pid)

    def stop(self) -> None:
        """Ask the whole group to stop, as Ctrl-C would; what was measured stays in the store.

        Raises ReadOnlyError in a public view.
        """
        refuse_if_readonly()
        if self._process is not None and self.running:
            log.event("training stopped", process=self._process.pid)
            os.killpg(self._process.pid, signal.SIGINT)

    def log_tail(self) -> str:
        """The last lines of the log, progress bars reduced to their last state."""
        try:
            text = self._log.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        lines = [line.replace("\x1b[A", "") for line in re.split(r"[\r\n]+", text)]
        return "\n".join([line for line in lines if line.strip()][-_LOG_LINES:])


_trainings: dict[Path, Training] = {}
_trainings_lock = threading.Lock()


def training_of(store: Path) -> Training:
    """Return the one training of this server into a store.

    It is not in Streamlit's cache, which any visitor's browser may clear: the run under way would be forgotten, and another
    could be started beside it.
    """
    with _trainings_lock:
        return _trainings.setdefault(store.resolve(), Training(store))
