"""Commands `python -m train.…` that find torch loaded: they are real processes, whose work one forked from a fork server does.

A command that a test starts, or that what it starts does, loads torch for three seconds of processor. With the fixture
`loaded_commands`, such a process hands its arguments, folder, environment and streams over instead
(tests/kept_compilations/sitecustomize.py), passes SIGTERM and SIGINT on, and ends as the process does that took its place;
where it is killed, so is that process.
Other signals do not reach that process. Where the command line itself is the point, use none of this.
"""

import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from tests.kept_compilations.sitecustomize import LOADED_COMMANDS
from tests.train.fork_server import fork_server


@contextmanager
def finding_torch_loaded() -> Iterator[None]:
    """Within the block, commands `python -m train.…` of this process and of those that it starts find torch loaded."""
    with tempfile.TemporaryDirectory(prefix="rnc-") as folder, socket.socket(socket.AF_UNIX) as server:
        address = str(Path(folder, "commands"))
        server.bind(address)
        server.listen()
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        os.environ[LOADED_COMMANDS] = address
        try:
            yield
        finally:
            del os.environ[LOADED_COMMANDS]
            server.shutdown(socket.SHUT_RDWR)  # (ends the thread, which waits for commands)


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _address = server.accept()
            threading.Thread(target=_run_for, args=(connection,), daemon=True).start()


def _run_for(connection: socket.socket) -> None:
    """Start the process that a command asks for, and tell the command its number and how it ended."""
    with connection, suppress(ConnectionError):
        length, streams, _flags, _address = socket.recv_fds(connection, 8, 3)
        with connection.makefile("rb") as asked:
            request = json.loads(asked.read(int.from_bytes(length, "big")))
        process = fork_server().Process(target=_run, args=(request, [_Stream(stream) for stream in streams]))
        # Not `start()`: what it enters is read by every thread that starts a process, and two may then read one exit code.
        started = process._Popen(process)  # type: ignore[attr-defined]
        for stream in streams:
            os.close(stream)
        connection.sendall(f"{started.pid}\n".encode())
        if started.sentinel not in wait([started.sentinel, connection]):  # (the command was killed)
            started.kill()
        connection.sendall(f"{started.wait()}\n".encode())


class _Stream:
    """A file descriptor that the started process has as well; there it is a number again."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _detached, (DupFd(self._descriptor),)


def _detached(duplicate: Any) -> int:
    return int(duplicate.detach())


def _run(request: dict[str, Any], streams: list[int]) -> None:
    """Become the process of a command, and run it."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    module = request["module"]
    sys.argv[:] = [module, *request["arguments"]]
    sys.modules.pop(module, None)  # (the server has imported it; as a command it is another module, `__main__`)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
