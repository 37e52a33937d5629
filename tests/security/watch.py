"""Which files this process opens, and which programs it starts, while a block runs: Python's own audit events."""

import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

_EVENTS = {
    "open",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.listdir",
    "os.scandir",
}
_CALLS = {"socket.connect": 1, "socket.getaddrinfo": 0}
"""Which argument says who is called."""
_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}
_OF_THE_PROGRAM = (
    ROOT,
    Path(sys.prefix).resolve(),
    Path(sys.base_prefix).resolve(),
    Path(sysconfig.get_paths()["stdlib"]).resolve(),
)
_OF_THE_SYSTEM = ("/proc", "/sys", "/dev", "/usr/lib", "/usr/share", "/lib")
_armed: list[list[tuple[str, str]]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _armed and (event in _EVENTS or event in _STARTS or event in _CALLS):
        what = arguments[0]
        if event in _CALLS:
            called = arguments[_CALLS[event]]
            what = f"{called}" if isinstance(called, tuple) or event == "socket.getaddrinfo" else ""
            if not what or "127.0.0.1" in what or "'::1'" in what or what == "localhost":
                return
        if event in _STARTS:
            what = " ".join(map(str, arguments[1])) if len(arguments) > 1 and arguments[1] else str(what)
        if isinstance(what, bytes):
            what = what.decode(errors="replace")
        if isinstance(what, str | Path):
            _armed[-1].append((event, str(what)))


sys.addaudithook(_hear)  # (for as long as the process lives)


@contextmanager
def opened() -> Iterator[list[tuple[str, str]]]:
    """(event, path or command) of the block, filled while it runs."""
    heard: list[tuple[str, str]] = []
    _armed.append(heard)
    try:
        yield heard
    finally:
        _armed.remove(heard)


def outside(heard: list[tuple[str, str]], data: Path) -> list[tuple[str, str]]:
    """Return the events outside the data folder, the program and the system; the program's helper processes may start."""
    return [
        (event, what)
        for event, what in heard
        if not (_is_own_program(what) if event in _STARTS else _may_be_opened(what, data))
    ]


def _is_own_program(command: str) -> bool:
    return "-m rnc.lab.engine.worker" in command or "-m rnc.ui.charts.render_process" in command


def _may_be_opened(path: str, data: Path) -> bool:
    if "\0" in path:
        return False
    place = Path(path).absolute()
    mine = any(Path(place).is_relative_to(home) for home in (data, *_OF_THE_PROGRAM)) and ".." not in place.parts
    return mine or path.startswith(_OF_THE_SYSTEM) or str(place) == tempfile.gettempdir()
