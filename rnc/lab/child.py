"""The server's handle on the worker: a subprocess that answers messages and ends when the server ends."""

import os
import queue
import select
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rnc import log
from rnc.lab import wire
from rnc.processes import start_helper

_SECONDS_TO_END = 5.0
_SECONDS_TO_SEND = 10.0
_MOST_HELD = 4
"""Number of messages that wait to be received; a worker that sends more has to wait."""
_OTHERS_GO_ON = "Try again: other attacks go on in a new process."

Message = tuple[dict[str, Any], bytes]


class WorkerGoneError(Exception):
    """Error raised if the worker has ended or could not be started; the message gives the reason and what to do."""


class Child:
    """A worker process in its own process group, started when this object is created."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the process.

        Raises WorkerGoneError if the system has no process, file handle, thread or memory left.
        """
        self._inbox: queue.Queue[Message | None] = queue.Queue(_MOST_HELD)
        self._sending, self._ended, self._garbled = threading.Lock(), False, False
        try:
            self._process = start_helper(command)
        except (OSError, MemoryError, ValueError, subprocess.SubprocessError) as error:
            raise WorkerGoneError(_not_started(error)) from error
        try:
            assert self._process.stdin is not None
            os.set_blocking(self._process.stdin.fileno(), False)
            self._listener = threading.Thread(target=self._listen, name="lab-inbox", daemon=True)
            self._listener.start()
        except (OSError, RuntimeError, MemoryError) as error:
            self._kill()
            self._process.wait()
            self._close()
            raise WorkerGoneError(_not_started(error)) from error

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """True if the process runs.

        The check leaves a dead process unreaped, so that its ID cannot be reused before `end` signals the process group.
        """
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def send(self, content: bytes) -> None:
        """Send a message (from `wire.packed`). Raises WorkerGoneError if the worker has ended or accepts nothing for 10 s."""
        assert self._process.stdin is not None
        rest, until = memoryview(content), time.monotonic() + _SECONDS_TO_SEND
        with self._sending:
            try:
                poll, handle = select.poll(), self._process.stdin.fileno()
                poll.register(handle, select.POLLOUT)
                while rest and time.monotonic() < until:
                    if poll.poll(100):
                        with suppress(BlockingIOError):
                            rest = rest[os.write(handle, rest) :]
            except (OSError, ValueError):
                raise WorkerGoneError(self._last_words()) from None
        if rest:
            raise WorkerGoneError(f"The attack's process takes no requests any more, and was ended. {_OTHERS_GO_ON}")

    def receive(self, seconds: float) -> Message | None:
        """Return the next message, or None if none came in time. Raises WorkerGoneError if the worker has ended."""
        try:
            message = self._inbox.get(timeout=seconds)
        except queue.Empty:
            if self._listener.is_alive():
                return None
            message = None
        if message is None:
            raise WorkerGoneError(self._last_words())
        return message

    def end(self) -> None:
        """End the process and every process that it has started, even in the middle of a task."""
        self._ended = True
        self._kill()
        self._process.wait()
        self._listener.join(_SECONDS_TO_END)
        self._close()

    def _kill(self) -> None:
        """Kill the process group. The process must not be reaped before this, because its ID could then be reused."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        with self._sending, suppress(OSError):  # no process reads what was still to be written
            if self._process.stdin is not None:
                self._process.stdin.close()
        listening = getattr(self, "_listener", None)
        if self._process.stdout is not None and not (listening and listening.is_alive()):
            self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            while (message := wire.receive(self._process.stdout)) is not None and self._hold(message):
                pass
        except Exception as error:  # any exception, because the worker may have sent anything
            if not self._ended:
                self._garbled = True
                log.event("lab: the worker's answers cannot be read", 40, process=self.pid, error=repr(error))
            self._kill()
        finally:
            self._hold(None)

    def _hold(self, message: Message | None) -> bool:
        """Wait until the inbox has space, then add a message. Return False if the process was ended meanwhile."""
        while not self._ended:
            with suppress(queue.Full):
                self._inbox.put(message, timeout=0.2)
                return True
        return False

    def _last_words(self) -> str:
        until = time.monotonic() + _SECONDS_TO_END
        while (lives := self.alive) and time.monotonic() < until:
            time.sleep(0.01)
        self._kill()
        code = self._process.wait()
        log.event("lab: the worker ended", 40, process=self.pid, code=code)
        if self._garbled:
            return f"The attack's process answered what cannot be read, and was ended. {_OTHERS_GO_ON}"
        if lives:
            return f"The attack's process answers nothing more, and was ended. {_OTHERS_GO_ON}"
        if code == -signal.SIGKILL:
            return (
                "The attack's process was killed, most likely by the system for want of memory; ask for fewer images, "
                "or try again. Other attacks go on in a new process."
            )
        memory = (
            " (most likely for want of memory)" if code in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS) else ""
        )
        return (
            f"The attack's process ended unexpectedly (code {code}){memory}; the server's log has what it said. "
            f"{_OTHERS_GO_ON}"
        )


def _not_started(error: BaseException) -> str:
    return (
        f"The attack's process could not be started ({getattr(error, 'strerror', None) or error}); the machine has no "
        "processes, file handles or memory left for it. Try again in a moment."
    )
