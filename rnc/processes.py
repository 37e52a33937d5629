"""Helper processes, and the processes of this machine as listed in /proc, with a proof of each process's identity.

A process number read from a file proves nothing: the system uses numbers again, kernel threads have numbers too, and
another user may have written the file. Without /proc, no process is found.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

_PROJECT = Path(__file__).parents[1]
_PROC = Path("/proc")
_ENDED = ("Z", "X")
_STATE, _PARENT, _GROUP, _FLAGS, _STARTED = 0, 1, 2, 6, 19  # fields of proc(5)'s stat, counted from the state
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD


def start_helper(command: Sequence[str], stderr: int | IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """Start a command of this project with pipes for input and output; it can import the project from any folder.

    It has its own session, so that Ctrl-C reaches only the parent process, which decides. Raises as `subprocess.Popen` does.
    """
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )


def processes_of_user() -> list[int]:
    """Return the numbers of this user's running processes, without kernel threads."""
    return [pid for pid in _pids() if _belongs_to_user(pid)]


def identity(pid: int) -> str:
    """Return the machine's boot id and a process's start time, which with its number identify it; "" if it has ended.

    The text stays the same when the process loads another program.
    """
    stat = _stat(pid)
    if not _is_running(stat):
        return ""
    with suppress(OSError):
        return f"{(_PROC / 'sys/kernel/random/boot_id').read_text().strip()}:{stat[_STARTED]}"
    return ""


def arguments(pid: int) -> list[str]:
    """Return a process's command line; empty if it has ended, belongs to another user or is still being loaded."""
    return [os.fsdecode(part) for part in _read(pid, "cmdline").split(b"\0")[:-1]]


def environment(pid: int) -> set[str]:
    """Return the NAME=VALUE pairs that a process began with; empty if it has ended, is another user's or is being loaded."""
    return {os.fsdecode(part) for part in _read(pid, "environ").split(b"\0")}


def parent(pid: int) -> int:
    """Return the number of a process's parent; 0 if the process has ended."""
    stat = _stat(pid)
    return int(stat[_PARENT]) if stat else 0


def group(pid: int) -> int:
    """Return the number of a process's group; 0 if the process has ended."""
    stat = _stat(pid)
    return int(stat[_GROUP]) if stat else 0


def stdout_is(pid: int, file: os.stat_result) -> bool:
    """Return whether a process's standard output is the given file."""
    try:
        output = (_PROC / str(pid) / "fd" / "1").stat()
    except OSError:
        return False
    return os.path.samestat(output, file)


def send_signal(pid: int, signal_number: signal.Signals, expected_identity: str) -> bool:
    """Send a signal to a process if its `identity` is the expected one; return whether the signal was sent."""
    if not expected_identity:
        return False
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if identity(pid) != expected_identity:  # the handle stays with one process even if its number is used again
            return False
        signal.pidfd_send_signal(handle, signal_number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]
    except OSError:
        return []


def _belongs_to_user(pid: int) -> bool:
    try:
        owner = (_PROC / str(pid)).stat().st_uid
    except OSError:
        return False
    stat = _stat(pid)
    return owner == os.geteuid() and _is_running(stat) and not int(stat[_FLAGS]) & _KERNEL_THREAD


def _is_running(stat: list[str]) -> bool:
    return bool(stat) and stat[_STATE] not in _ENDED


def _stat(pid: int) -> list[str]:
    """Return the fields of a process's `stat` after its name, which may contain any character; empty if it has ended."""
    return os.fsdecode(_read(pid, "stat")).rpartition(")")[2].split()


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return (_PROC / str(pid) / name).read_bytes()
    return b""
