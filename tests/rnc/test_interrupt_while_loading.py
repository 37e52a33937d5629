"""Ctrl-C ends a command also while torch is imported, which ignores KeyboardInterrupt in places."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnc.interrupt_while_loading import end_at_once_on_ctrl_c, raise_on_ctrl_c_again
from tests.conftest import ROOT

TORCH = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    pass
print("the command went on", flush=True)
os._exit(7)
"""
"""A torch that is interrupted while it is imported, and ignores that."""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("train.run", "__main__"),
        ("train.run", "__mp_main__"),  # a process that trains one of several runs
        ("train.measure", "__main__"),
        ("train.attack_paths", "__main__"),
    ],
)
def test_a_command_ends_while_it_loads_torch(module: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    handled = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{handled}; runpy.run_module({module!r}, run_name={name!r})"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, ""), done.stderr


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_a_signal_that_is_ignored_or_handled_stays_so(handler: signal.Handlers) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        end_at_once_on_ctrl_c()
        raise_on_ctrl_c_again()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_is_raised_again_afterwards() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        end_at_once_on_ctrl_c()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        raise_on_ctrl_c_again()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
