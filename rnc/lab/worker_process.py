"""The lab's worker process as the server sees it: started when it is needed, and again after its end.

Tested by tests/rnc/lab/test_watchdog.py.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from rnc import event_log
from rnc.durations import in_words
from rnc.lab.estimates import NetworkSpeed
from rnc.lab.job import Job
from rnc.lab.kinds import result_from_bytes
from rnc.lab.message_format import CHUNK_BYTES, Message, MessageError, pack, take_message
from rnc.lab.network_and_images import Source
from rnc.lab.result_base import Result
from rnc.lab.time_and_memory_limits import Limits
from rnc.processes import start_helper

_FIRST_START_SECONDS = 5.0  # about the time that importing torch takes, until a start has been measured
_SECONDS_TO_END = 5.0
_SECONDS_TO_SEND = 10.0
_OTHERS_CONTINUE = "Try again: other attacks continue in a new process."

Check = Callable[[], None]
"""A function that is called between two messages; what it raises ends the wait for the worker."""


class WorkerGoneError(Exception):
    """Error raised if the worker has ended or could not be started; the message gives the reason and what to do."""


class RequestFailedError(Exception):
    """Error raised if the worker could not answer a request; the message is the worker's."""


class WorkerProcess:
    """The worker in its own process group. Only one thread may make requests; any thread may end the process."""

    def __init__(self, limits: Limits, command: Sequence[str] | None = None) -> None:
        """Start no process yet; `command` starts another worker than the lab's own."""
        self.start_seconds = _FIRST_START_SECONDS
        """The seconds that the last start took."""
        memory = [] if limits.memory_bytes is None else [str(limits.memory_bytes)]
        self._command = command or [sys.executable, "-m", "rnc.lab.engine.worker", *memory]
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._pipes_in_use = threading.Lock()
        self._closed = False
        self._received = bytearray()
        self._number = 0

    @property
    def pid(self) -> int | None:
        """The process ID; None if no process runs."""
        process = self._process
        return process.pid if process is not None and _is_running(process) else None

    def run_and_report_completeness(self, job: Job, check: Check) -> tuple[Result | None, bool]:
        """Let the worker answer a job's request, record the progress, and return the result and whether it is complete.

        If the end of the job is requested, the worker stops after the current round; the result then holds what was done
        until then, or is None if nothing was.

        Raises MessageError if the request is too large, RequestFailedError, and WorkerGoneError.
        """
        number = self._ask(check, "run", request=job.request.to_json())
        stop_is_sent = False
        while True:
            if job.end_request is not None and not stop_is_sent:
                stop_is_sent = True
                self._send(pack({"kind": "stop", "id": number}))
            if (answer := self._answer(number)) is not None:
                message, data = answer
                if message["kind"] == "progress":
                    job.advance(int(message["done"]), int(message["total"]), message.get("row"))
                elif message["kind"] == "result":
                    return _read_result(message, data)
            check()

    def measure_speed(self, source: Source) -> NetworkSpeed:
        """Let the worker load a network and measure its speed on this machine. Raises as `run` does."""
        until = time.monotonic() + self._limits.prepare_seconds

        def check() -> None:
            if time.monotonic() > until:
                raise WorkerGoneError(f"it took longer than {in_words(self._limits.prepare_seconds)}")

        number = self._ask(check, "pass_time", source=source.to_json())
        while (answer := self._answer(number)) is None:
            check()
        return NetworkSpeed(float(answer[0]["seconds"]), float(answer[0]["measurement_seconds"]))

    def end(self) -> None:
        """End the process and all that it has started, even in the middle of a task; the next request starts another.

        Errors are only logged.
        """
        with self._changing:
            process, self._process = self._process, None
        if process is None:
            return
        try:
            _kill(process)
            process.wait()
            with self._pipes_in_use:
                for pipe in (process.stdin, process.stdout):
                    with suppress(OSError):  # no process reads what was still to be written
                        if pipe is not None:
                            pipe.close()
        except Exception as error:
            event_log.log_exception(error)

    def end_for_good(self) -> None:
        """End the process, and start no other."""
        with self._changing:
            self._closed = True
        self.end()

    def _ask(self, check: Check, kind: str, **content: Any) -> int:
        """Send a request to the process, started if none runs, and return the request's number."""
        request = pack({"kind": kind, "id": self._number + 1, **content})
        self._number += 1
        if self.pid is None:
            self._start(check)
        self._send(request)
        return self._number

    def _start(self, check: Check) -> None:
        """Start a process and wait until it accepts requests. Raises WorkerGoneError."""
        self.end()  # the process may have died between two requests
        began = time.monotonic()
        with self._changing:
            if self._closed:
                raise WorkerGoneError("the lab is closed")
            self._received.clear()
            try:
                process = self._process = start_helper(self._command)
            except (OSError, MemoryError, ValueError, subprocess.SubprocessError) as error:
                raise WorkerGoneError(
                    f"The attack's process could not be started ({getattr(error, 'strerror', None) or error}); the machine has "
                    "no processes, file handles or memory left for it. Try again in a moment."
                ) from error
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        while (received := self._receive()) is None or received[0].get("kind") != "started":
            if time.monotonic() - began > self._limits.start_seconds:
                raise WorkerGoneError(
                    f"The attack's process did not start within {in_words(self._limits.start_seconds)}, and was ended; "
                    "try again when the machine has less to do."
                )
            check()
        self.start_seconds = time.monotonic() - began
        event_log.event("lab: worker started", process=process.pid, seconds=round(self.start_seconds, 1))

    def _answer(self, number: int) -> Message | None:
        """Return the next answer to a request, or None if none came within a tick.

        Raises RequestFailedError if the worker could not answer, and WorkerGoneError.
        """
        received = self._receive()
        if received is None or received[0].get("id") != number:
            return None
        if received[0].get("kind") == "failed":
            if received[0].get("fatal"):
                self.end()
            raise RequestFailedError(str(received[0]["error"]))
        return received

    def _receive(self) -> Message | None:
        """Return the next message, or None if none came within a tick.

        Raises WorkerGoneError if the worker has ended, or if what it sent cannot be read. Nothing else reads from the worker, so
        one that sends too much has to wait.
        """
        process = self._running()
        assert process.stdout is not None
        until = time.monotonic() + self._limits.tick_seconds
        try:
            with self._pipes_in_use:
                while (message := take_message(self._received)) is None:
                    left = until - time.monotonic()
                    if left <= 0 or not _is_readable(process.stdout.fileno(), left):
                        return None
                    part = os.read(process.stdout.fileno(), CHUNK_BYTES)
                    if not part:
                        break
                    self._received += part
        except MessageError as error:
            event_log.event("lab: the worker's answers cannot be read", 40, process=process.pid, error=str(error))
            _kill(process)
            raise WorkerGoneError(_reason_of_end(process, "sent an answer that cannot be read")) from None
        except (OSError, ValueError):  # `end` has closed the pipe
            message = None
        if message is None:
            raise WorkerGoneError(_reason_of_end(process))
        return message

    def _send(self, content: bytes) -> None:
        """Send bytes. Raises WorkerGoneError if the worker has ended, or accepts nothing for 10 s."""
        process = self._running()
        assert process.stdin is not None
        rest, until = memoryview(content), time.monotonic() + _SECONDS_TO_SEND
        try:
            with self._pipes_in_use:
                poll, handle = select.poll(), process.stdin.fileno()
                poll.register(handle, select.POLLOUT)
                while rest and time.monotonic() < until:
                    if poll.poll(100):
                        with suppress(BlockingIOError):
                            rest = rest[os.write(handle, rest) :]
        except (OSError, ValueError):
            raise WorkerGoneError(_reason_of_end(process)) from None
        if rest:
            raise WorkerGoneError(
                f"The attack's process accepts no requests any more, and was ended. {_OTHERS_CONTINUE}"
            )

    def _running(self) -> subprocess.Popen[bytes]:
        """Return the process. Raises WorkerGoneError if `end` was called meanwhile."""
        process = self._process
        if process is None:
            raise WorkerGoneError(f"The attack's process was ended. {_OTHERS_CONTINUE}")
        return process


def _read_result(message: dict[str, Any], data: bytes) -> tuple[Result | None, bool]:
    """Return the result in a message, and whether it is complete. Raises ValueError if the message is wrong."""
    result = result_from_bytes(data) if data else None
    state = message["state"]
    if state != "stopped" and (state != "done" or result is None):
        raise ValueError(f"a result in state {state!r}")
    return result, state == "done"


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process runs.

    The check leaves a dead process unreaped, so that its ID cannot be reused before `_kill` signals the process group.
    """
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def _is_readable(pipe: int, seconds: float) -> bool:
    """Wait until a pipe has something to read or is closed at its other end; return False if that takes longer."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group. The process must not be reaped before this, because its ID could then be reused."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _reason_of_end(process: subprocess.Popen[bytes], fault: str | None = None) -> str:
    """Return in words why a process has ended. One that closed its pipe but still runs is killed; `fault` is a known reason."""
    until = time.monotonic() + _SECONDS_TO_END
    while (still_running := _is_running(process)) and time.monotonic() < until:
        time.sleep(0.01)
    _kill(process)
    code = process.wait()
    event_log.event("lab: the worker ended", 40, process=process.pid, code=code)
    if fault is None and still_running:
        fault = "does not answer any more"
    if fault is not None:
        return f"The attack's process {fault}, and was ended. {_OTHERS_CONTINUE}"
    if code == -signal.SIGKILL:
        return (
            "The attack's process was killed, most likely by the system because memory ran out; ask for fewer images, or try "
            "again. Other attacks continue in a new process."
        )
    out_of_memory = code in (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)
    why = " (most likely because memory ran out)" if out_of_memory else ""
    return (
        f"The attack's process ended unexpectedly (code {code}){why}; its messages are in the server's log. "
        f"{_OTHERS_CONTINUE}"
    )
