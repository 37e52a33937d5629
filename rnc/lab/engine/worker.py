"""The lab's worker process, `python -m rnc.lab.engine.worker`, which answers the server's requests one after the other.

It ends with all of its child processes when the server ends. Its memory is limited, and the system ends it first if memory runs
out, so that the server continues.

Tested by tests/rnc/lab/test_parts.py.
"""

import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from rnc.lab.attack import AttackRequest
from rnc.lab.engine import timing
from rnc.lab.engine.gradient_masking import check_gradient_masking
from rnc.lab.engine.loading import InputLoader
from rnc.lab.engine.measured_attack_frames import record_trajectory
from rnc.lab.engine.perturbed_images import perturb_images
from rnc.lab.engine.strength_curve import measure_strength_curve
from rnc.lab.gradient_masking import MaskingRequest
from rnc.lab.kinds import request_from_json
from rnc.lab.message_format import MessageError, messages, send_message
from rnc.lab.network_and_images import Source
from rnc.lab.perturbed_images import PerturbedImagesRequest
from rnc.lab.request_base import Request
from rnc.lab.result_base import Result
from rnc.lab.strength_curve import StrengthCurveRequest
from rnc.lab.time_and_memory_limits import MEMORY_VARIABLE
from rnc.models.memory_errors import is_out_of_memory
from rnc.models.weights import CheckpointError

_SECONDS_BETWEEN = 0.1
"""Least number of seconds between two progress messages, except for those that contain a frame."""
_ERRORS_FOR_USERS = (ValueError, CheckpointError, FileNotFoundError, MessageError)
"""Errors whose messages are written for users."""


_COMPUTE: dict[type[Request], Callable[..., Result]] = {
    AttackRequest: record_trajectory,
    MaskingRequest: check_gradient_masking,
    PerturbedImagesRequest: perturb_images,
}
"""The function of (inputs, request, progress, stopped) that computes the result of each kind of request about one network."""


class Worker:
    """A loop that reads requests from one stream and writes responses to another."""

    def __init__(self, requests: BufferedReader, responses: IO[bytes]) -> None:
        """Start to listen; no network is loaded yet."""
        self._requests, self._responses = requests, responses
        self._loader = InputLoader()
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._number_to_stop = -1
        threading.Thread(target=self._listen, daemon=True).start()

    def serve(self) -> None:
        """Answer requests until memory runs out; the process ends by itself when the server has gone."""
        send_message(self._responses, {"kind": "started"})
        while self._answer(self._waiting.get()):
            pass

    def _listen(self) -> None:
        with suppress(OSError, MessageError):
            for message, _data in messages(self._requests):
                if message["kind"] == "stop":
                    self._number_to_stop = message["id"]
                else:
                    self._waiting.put(message)
        _end_with_children()  # the server has gone, so the answer to the current request has no reader

    def _answer(self, message: dict[str, Any]) -> bool:
        """Answer a request. Return False if the worker must end, because it ran out of memory."""
        number = message["id"]
        try:
            if message["kind"] == "pass_time":
                inputs = self._loader.balanced(Source(**message["source"]), timing.IMAGES)
                speed = timing.network_speed(inputs)
                seconds = {"seconds": speed.pass_seconds, "measurement_seconds": speed.measurement_seconds}
                send_message(self._responses, {"kind": "pass_time", "id": number, **seconds})
            else:
                self._run(number, request_from_json(message["request"]))
        except Exception as error:
            fatal = is_out_of_memory(error)
            failure = {"kind": "failed", "id": number, "error": _message_of(error), "fatal": fatal}
            send_message(self._responses, failure)
            return not fatal
        return True

    def _run(self, number: int, request: Request) -> None:
        def stopped() -> bool:
            return self._number_to_stop == number

        if stopped():
            send_message(self._responses, {"kind": "result", "id": number, "state": "stopped"})
            return
        progress, networks = _ProgressReporter(self._responses, number), self._loader.load_networks_in_turn(request)
        if isinstance(request, StrengthCurveRequest):
            result: Result = measure_strength_curve(networks, request, progress, stopped)
        else:
            result = _COMPUTE[type(request)](next(networks), request, progress, stopped)
        state = "stopped" if result.stopped else "done"
        send_message(self._responses, {"kind": "result", "id": number, "state": state}, result.to_bytes())


class _ProgressReporter:
    """Callable that sends the progress of a request to the server."""

    def __init__(self, responses: IO[bytes], number: int) -> None:
        self._responses, self._number, self._sent_at = responses, number, 0.0

    def __call__(self, done: int, total: int, row: dict[str, Any] | None) -> None:
        now = time.monotonic()
        if row is None and 0 < done < total and now - self._sent_at < _SECONDS_BETWEEN:
            return
        self._sent_at = now
        progress = {"kind": "progress", "id": self._number, "done": done, "total": total, "row": row}
        send_message(self._responses, progress)


def _message_of(error: Exception) -> str:
    """Return what a user reads about an error. An unexpected one is also printed, which puts it into the server's log."""
    if is_out_of_memory(error):
        limit = _memory_limit()
        most = (
            ""
            if limit is None
            else f" ({limit / 2**30:.1f} GiB; {MEMORY_VARIABLE}, in GiB, changes the limit of a server)"
        )
        return (
            f"The attack's process needed more memory than it may take{most}; ask for fewer images. "
            "Other attacks continue in a new process."
        )
    if isinstance(error, _ERRORS_FOR_USERS):
        return str(error)
    traceback.print_exception(error)
    return f"The attack failed: {type(error).__name__}: {error}"


def _prefer_to_be_killed() -> None:
    """Let the system end this process rather than the server if memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _end_with_children() -> None:
    """End this process, and its process group if it leads one."""
    with suppress(OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _memory_limit() -> int | None:
    """Return the bytes that this process may allocate; None for no limit."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_DATA)
    return None if soft == resource.RLIM_INFINITY else soft


def main(arguments: list[str]) -> None:
    """Serve requests on stdin and stdout; an argument limits the memory that the process may allocate, in bytes.

    The limit applies to private writable memory. The system refuses larger allocations at once, with an error that can be
    reported. A limit of the address space would also count files and GPU memory.
    """
    if arguments:
        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = int(arguments[0]) if hard == resource.RLIM_INFINITY else min(int(arguments[0]), hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    _prefer_to_be_killed()
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # text that a library prints must not mix with the responses
    Worker(sys.stdin.buffer, responses).serve()  # type: ignore[arg-type]


if __name__ == "__main__":
    main(sys.argv[1:])
