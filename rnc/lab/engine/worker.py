"""The lab's worker process, `python -m rnc.lab.engine.worker`, which answers the server's requests one after the other.

It ends with all of its child processes when the server ends. Its memory is limited, and the system ends it first if memory runs
out, so that the server continues.
"""

import os
import queue
import resource
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from rnc.lab import wire
from rnc.lab.engine import timing
from rnc.lab.engine.gradient_masking import check
from rnc.lab.engine.loading import Library
from rnc.lab.engine.perturb import perturb
from rnc.lab.engine.strength_sweep import sweep
from rnc.lab.engine.trajectory import follow
from rnc.lab.limits import MEMORY_VARIABLE
from rnc.lab.requests import AttackRequest, PicturesRequest, Request, Source, SweepRequest, from_json
from rnc.lab.results import Result, to_bytes
from rnc.models.memory_errors import is_out_of_memory
from rnc.models.weights import CheckpointError

_SECONDS_BETWEEN = 0.1
"""Least number of seconds between two progress messages, except for those that contain a frame."""
_EXPECTED = (ValueError, CheckpointError, FileNotFoundError, wire.WireError)
"""Errors whose messages are written for users."""


class Worker:
    """A loop that reads requests from one stream and writes answers to another."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        """Start to listen; no network is loaded yet."""
        self._requests, self._answers = requests, answers
        self._library = Library()
        self._asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._unwanted = -1  # the ID of the request that is to stop
        threading.Thread(target=self._listen, daemon=True).start()

    def serve(self) -> None:
        """Answer requests until memory runs out; the process ends by itself when the server has gone."""
        wire.send(self._answers, {"kind": "started"})
        while self._answer(self._asked.get()):
            pass

    def _listen(self) -> None:
        with suppress(OSError, wire.WireError):
            while (received := wire.receive(self._requests)) is not None:
                message, _blob = received
                if message["kind"] == "stop":
                    self._unwanted = message["id"]
                else:
                    self._asked.put(message)
        _end_with_children()  # the server has gone, so the answer to the current request has no reader

    def _answer(self, message: dict[str, Any]) -> bool:
        """Answer a request. Return False if the worker must end, because it ran out of memory."""
        number = message["id"]
        try:
            if message["kind"] == "pace":
                seconds = timing.seconds_a_pass(self._library.subject(Source(**message["source"]), timing.IMAGES))
                wire.send(self._answers, {"kind": "pace", "id": number, "seconds": seconds})
            else:
                self._run(number, from_json(message["request"]))
        except Exception as error:
            told = _in_words(error)
            fatal = is_out_of_memory(error)
            wire.send(self._answers, {"kind": "failed", "id": number, "error": told, "fatal": fatal})
            return not fatal
        return True

    def _run(self, number: int, request: Request) -> None:
        if self._unwanted == number:
            wire.send(self._answers, {"kind": "result", "id": number, "state": "stopped"})
            return
        result = self._result(request, _Reporter(self._answers, number), lambda: self._unwanted == number)
        state = "stopped" if result.stopped else "done"
        wire.send(self._answers, {"kind": "result", "id": number, "state": state}, to_bytes(result))

    def _result(self, request: Request, report: "_Reporter", stopped: Any) -> Result:
        if isinstance(request, AttackRequest):
            return follow(self._library.subject(request.source, request.images), request, report, stopped)
        if isinstance(request, SweepRequest):
            return sweep(lambda source: self._library.subject(source, request.images), request, report, stopped)
        if isinstance(request, PicturesRequest):
            return perturb(self._library.named(request.source, request.samples), request, report, stopped)
        return check(self._library.subject(request.source, request.images), request, report, stopped)


class _Reporter:
    """Callable that sends the progress of a request to the server."""

    def __init__(self, answers: IO[bytes], number: int) -> None:
        self._answers, self._number, self._last = answers, number, 0.0

    def __call__(self, done: int, total: int, row: dict[str, Any] | None) -> None:
        now = time.monotonic()
        if row is None and 0 < done < total and now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        wire.send(self._answers, {"kind": "progress", "id": self._number, "done": done, "total": total, "row": row})


def _in_words(error: Exception) -> str:
    if is_out_of_memory(error):
        limit = _memory_limit()
        most = (
            ""
            if limit is None
            else f" ({limit / 2**30:.1f} GiB; {MEMORY_VARIABLE}, in GiB, changes the limit of a server)"
        )
        return (
            f"The memory that the attack's process may take did not suffice for this{most}; ask for fewer images. "
            "Other attacks go on in a new process."
        )
    if isinstance(error, _EXPECTED):
        return str(error)
    traceback.print_exception(error)
    return f"The attack failed: {type(error).__name__}: {error}"


def _go_first() -> None:
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
    _go_first()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # text that a library prints must not mix with the answers
    Worker(sys.stdin.buffer, answers).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
