"""Lets processes that tests start share what takes them long: what numba compiles for a UMAP, and a torch that is loaded.

Python imports this module when it starts, since tests/conftest.py has its folder in PYTHONPATH.
Tested by tests/rnc/test_umap_process.py and tests/train/test_loaded_commands.py.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

UMAP_PROCESS = ["-m", "rnc.umap_process"]
LOADED_COMMANDS = "RNC_TEST_LOADED_COMMANDS"
"""The socket of tests/loaded_commands.py, where a test has it."""


def keeping(decorate: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator of numba that keeps machine code in NUMBA_CACHE_DIR, unless its caller says otherwise."""

    def decorator(*arguments: Any, **options: Any) -> Any:
        return decorate(*arguments, **{"cache": True, **options})

    return decorator


def hand_over(address: str, module: str, arguments: list[str]) -> None:
    """Let a process that has torch loaded run `python -m module`, with the streams and signals of this one, and end like it."""
    import contextlib
    import json
    import signal
    import socket

    child, early = 0, []

    def pass_on(number: int, _frame: object) -> None:
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)
        else:
            early.append(number)

    passed_on, others = (signal.SIGINT, signal.SIGTERM), (signal.SIGUSR1, signal.SIGUSR2)
    ignored = [number for number in (*passed_on, *others) if signal.getsignal(number) is signal.SIG_IGN]
    for number in set(passed_on) - set(ignored):
        signal.signal(number, pass_on)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    request = {"module": module, "arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    text = json.dumps(request | {"ignored": ignored}).encode()
    socket.send_fds(connection, [len(text).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(text)
    answers = connection.makefile()
    child = int(answers.readline())
    for number in early:
        os.kill(child, number)
    code = int(answers.readline())
    if code < 0:
        with contextlib.suppress(OSError):  # (SIGKILL has no other handler)
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if sys.orig_argv[-2:] == UMAP_PROCESS:
    import numba

    numba.njit, numba.jit = keeping(numba.njit), keeping(numba.jit)
elif os.environ.get(LOADED_COMMANDS):
    words = [word for word in sys.orig_argv[1:] if word != "-u"]
    if words[:1] == ["-m"] and words[1].startswith("train."):
        try:
            hand_over(os.environ[LOADED_COMMANDS], words[1], words[2:])
        except BaseException:  # (Python would go on and run the command itself)
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(70)
