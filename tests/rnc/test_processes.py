"""A number of a process proves nothing; its start does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnc import processes

WAIT = [sys.executable, "-c", "print(flush=True); input()", "argument\n"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(WAIT, env=os.environ | {"RNC_TEST": "a b"}, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_what_is_known_of_a_process(child: subprocess.Popen, tmp_path: Path) -> None:
    assert processes.arguments(child.pid) == WAIT and "RNC_TEST=a b" in processes.environment(child.pid)
    assert processes.parent(child.pid) == os.getpid() and processes.group(child.pid) == child.pid
    assert {child.pid, os.getpid()} <= set(processes.processes_of_user())
    (tmp_path / "file").touch()
    assert not processes.stdout_is(child.pid, (tmp_path / "file").stat())


def test_a_signal_reaches_the_process_that_was_meant_and_no_other(child: subprocess.Popen) -> None:
    proof = processes.identity(child.pid)
    assert proof and proof == processes.identity(child.pid) != processes.identity(os.getpid())
    boot, _, started = proof.partition(":")
    for wrong in ("", f"{boot}:{int(started) - 1}", processes.identity(os.getpid())):
        assert not processes.send_signal(child.pid, signal.SIGKILL, wrong)
    assert child.poll() is None
    assert processes.send_signal(child.pid, signal.SIGKILL, proof)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.identity(child.pid) == "" and child.pid not in processes.processes_of_user()  # (a zombie)
    assert child.wait() == -signal.SIGKILL and not processes.send_signal(child.pid, signal.SIGKILL, proof)


def test_threads_of_the_kernel_are_nobodys_processes() -> None:
    """Where this sandbox shows any: process 2 is their parent."""
    kernel = [number for number in map(int, filter(str.isdigit, os.listdir("/proc"))) if processes.parent(number) == 2]
    assert not {2, *kernel} & set(processes.processes_of_user()) or Path("/proc/2/comm").read_text() != "kthreadd\n"
    assert processes.arguments(2**22) == [] and processes.environment(2**22) <= {""} and not processes.parent(2**22)
