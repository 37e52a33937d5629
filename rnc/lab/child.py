"""The worker as the server sees it: a subprocess that answers messages, and ends when the server does."""

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnc.lab import wire

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS_TO_END = 5.0

Message = tuple[dict[str, Any], bytes]


class WorkerGoneError(Exception):
    """The worker ended while something was asked of it; the message says how and what to do."""


class Child:
    """One `python -m rnc.lab.worker`, from the moment this is made."""

    def __init__(self, memory_limit: int | None = None) -> None:
        """Start it. Ctrl-C reaches the server alone, who decides; `memory_limit` bounds its address space, in bytes."""
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        limit = [] if memory_limit is None else [str(memory_limit)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rnc.lab.worker", *limit],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}, start_new_session=True,
        )  # fmt: skip
        self._sending = threading.Lock()
        self._inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, name="lab-inbox", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, message: dict[str, Any]) -> None:
        """Tell it something. Raises WorkerGoneError."""
        assert self._process.stdin is not None
        try:
            with self._sending:
                wire.send(self._process.stdin, message)
        except (OSError, ValueError):
            raise WorkerGoneError(self._last_words()) from None

    def receive(self, seconds: float) -> Message | None:
        """The next message, None where none came in time. Raises WorkerGoneError."""
        try:
            message = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            raise WorkerGoneError(self._last_words())
        return message

    def end(self) -> None:
        """End it, whatever it is at."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with self._sending, suppress(OSError):  # (what was still to be written has no reader)
                stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while (message := wire.receive(self._process.stdout)) is not None:
                self._inbox.put(message)
        except (OSError, ValueError, wire.WireError):
            self._process.kill()
        self._inbox.put(None)

    def _last_words(self) -> str:
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code == -signal.SIGKILL:
            return (
                "The attack's process was killed, most likely by the system for want of memory; ask for fewer images, "
                "or try again. Other attacks go on in a new process."
            )
        return (
            f"The attack's process ended unexpectedly (code {code}); the server's log has what it said. "
            "Try again: other attacks go on in a new process."
        )
