"""Rendering of charts in a separate process, whose failure, time or memory does not affect the server.

The JavaScript engine that draws a chart ends its process when memory runs out, so it must not run in the server. The process
`python -m rnc.ui.charts.render_process` is kept for the next chart, since the engine takes a second or more to start. It ends
after IDLE_SECONDS without a request, and when its parent has gone.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, BinaryIO

from rnc.processes import start_helper

MEMORY = 2_048 * 2**20
"""Bytes that the process may use; an ordinary figure takes a third of it, most of which the engine reserves."""
SECONDS = 60.0
"""Largest number of seconds for a picture, and for the wait until rendering starts."""
IDLE_SECONDS = 300
MOST_BYTES = 128 * 2**20
"""Largest size of a specification and of a picture, in bytes."""
_LENGTH = struct.Struct(">Q")
_CHUNK = 2**16
_ROWS = ("values", "datasets")
"""The keys under which a specification holds rows (and lists of axis values)."""


class RenderError(Exception):
    """Error raised if a chart could not be drawn; the message gives the reason and what to do."""


class Renderer:
    """A handle on the process that draws charts, which starts on demand and is replaced after a failure."""

    def __init__(self, memory: int = MEMORY, seconds: float = SECONDS) -> None:
        """Limit the process's memory in bytes to `memory`, and the time of a picture and of the wait before it to `seconds`."""
        self._memory, self._seconds = memory, seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None

    def render(self, spec: dict[str, Any], kind: str, **options: float) -> bytes:
        """Return a Vega-Lite specification as `svg` or `png` (with `scale` and `ppi`), or an SVG drawing `spec["svg"]` as `pdf`.

        Raises RenderError if it cannot be drawn.
        """
        if _names_an_address(spec):
            raise RenderError(
                "This figure refers to an address on the network. Figures are drawn from their own rows only."
            )
        request = json.dumps({"spec": spec, "kind": kind, "options": options}).encode()
        if len(request) > MOST_BYTES:
            raise RenderError(
                f"This figure is too large for a picture ({len(request) / 1e6:,.0f} MB). Export its table, or show less."
            )
        if not self._lock.acquire(timeout=self._seconds):
            raise RenderError("Other figures are being drawn. Try again in a minute.")
        try:
            return self._answer(request)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process, even in the middle of a picture."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, request: bytes) -> bytes:
        if self._process is not None and self._process.poll() is not None:  # it ended when idle
            self.close()
        if self._process is None:
            self._process = _start(self._memory, self._seconds)
        deadline = time.monotonic() + self._seconds
        try:
            _write(self._process, _LENGTH.pack(len(request)) + request, deadline)
            (length,) = _LENGTH.unpack(_read(self._process, _LENGTH.size, deadline))
            if length > MOST_BYTES:
                self.close()
                raise RenderError(
                    f"The file of this figure would have {length / 1e6:,.0f} MB. Export a PNG, or show less."
                )
            answer = _read(self._process, length, deadline)
        except TimeoutError:
            self.close()
            raise RenderError(
                f"Drawing this figure was stopped after {self._seconds:.0f} s. Export its table, or show less."
            ) from None
        except (OSError, EOFError):
            self.close()
            raise RenderError(
                f"This figure could not be drawn, probably because it needs more than {self._memory / 2**20:,.0f} MB of memory. "
                "Export its table, or show less."
            ) from None
        if answer[:1] != b"+":
            raise RenderError(f"This figure could not be drawn: {answer[1:].decode(errors='replace')}")
        return answer[1:]


def _names_an_address(spec: Any) -> bool:
    """Return whether a specification refers to rows or images at an address; its own rows are not searched."""
    if isinstance(spec, dict):
        return "url" in spec or any(_names_an_address(part) for key, part in spec.items() if key not in _ROWS)
    return isinstance(spec, list) and any(map(_names_an_address, spec))


def _start(memory: int, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "rnc.ui.charts.render_process", str(memory), str(seconds)]
    process = start_helper(command, stderr=subprocess.DEVNULL)
    assert process.stdin is not None and process.stdout is not None
    os.set_blocking(process.stdin.fileno(), False)
    return process


def _write(process: subprocess.Popen, content: bytes, deadline: float) -> None:
    """Send the whole content. Raises TimeoutError after the deadline, and OSError if the process has gone."""
    assert process.stdin is not None
    left = memoryview(content)
    while left:
        _ready, able, _ = select.select([], [process.stdin], [], max(deadline - time.monotonic(), 0))
        if not able:
            raise TimeoutError
        left = left[os.write(process.stdin.fileno(), left[:_CHUNK]) :]


def _read(process: subprocess.Popen, count: int, deadline: float) -> bytes:
    """Return `count` bytes of the answer. Raises TimeoutError after the deadline, and EOFError if the process has gone."""
    assert process.stdout is not None
    content = bytearray()
    while len(content) < count:
        ready, _, _ = select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        part = os.read(process.stdout.fileno(), min(count - len(content), _CHUNK))
        if not part:
            raise EOFError
        content += part
    return bytes(content)


def _limit(memory: int) -> None:
    """Limit this process's memory if the system supports it, and disable core dumps."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # The limit is on writable memory, because the engine reserves 32 GB of addresses that it never uses.
        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def serve(requests: BinaryIO, responses: BinaryIO, seconds: float) -> None:
    """Answer requests until the input ends. A request that hangs ends the process, even if the parent has gone."""
    while True:
        ready, _, _ = select.select([requests], [], [], IDLE_SECONDS)
        head = requests.read(_LENGTH.size) if ready else b""
        if len(head) < _LENGTH.size:
            return
        signal.alarm(int(seconds) + 5)
        request = json.loads(requests.read(_LENGTH.unpack(head)[0]))
        try:
            answer = b"+" + _draw(request["spec"], request["kind"], request["options"])
        except Exception as error:
            answer = b"-" + str(error)[:500].encode()
        responses.write(_LENGTH.pack(len(answer)) + answer)
        responses.flush()
        signal.alarm(0)


def _draw(spec: dict[str, Any], kind: str, options: dict[str, float]) -> bytes:
    import vl_convert

    if kind == "pdf":
        return vl_convert.svg_to_pdf(spec["svg"])
    if kind == "png":
        return vl_convert.svg_to_png(spec["svg"], scale=options["scale"], ppi=options["ppi"])
    return vl_convert.vegalite_to_svg(spec).encode()


if __name__ == "__main__":
    _limit(int(sys.argv[1]))
    _responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # text that a library prints must not mix with the responses
    serve(os.fdopen(0, "rb"), _responses, float(sys.argv[2]))
