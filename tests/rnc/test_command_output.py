"""Commands end as the shell expects, whoever reads their output, and print no command to the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnc.command_output import fail, print_escaped, printable
from tests.conftest import ROOT
from tests.rnc.store.hand_written import begin, one_epoch

ENDLESS = """
from rnc.command_output import run_command
def main(arguments):
    for number in range(10**6):
        print(number)
    return 0
run_command(main)
"""


def ended(code: str, *, read: bool = True) -> tuple[int, str]:
    """Exit code and standard error of a Python program whose output is read whole, or not beyond its first line."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        if read:
            process.stdout.read()
        else:
            process.stdout.readline()
            process.stdout.close()
        told = process.stderr.read()
        return process.wait(), told


def test_output_that_nobody_reads_is_no_error() -> None:
    assert ended(ENDLESS, read=False) == (141, "")


@pytest.mark.parametrize(
    ("body", "code"), [("return 0", 0), ("return 2", 2), ("raise KeyboardInterrupt", 130), ("print('x'); return 1", 1)]
)
def test_exit_codes(body: str, code: int) -> None:
    program = f"from rnc.command_output import run_command\ndef main(arguments):\n    {body}\nrun_command(main)"
    assert ended(program) == (code, "")


@pytest.mark.parametrize("module", ["rnc.store", "rnc.doctor"])
def test_a_command_whose_reader_is_gone_prints_no_traceback(module: str, tmp_path: Path) -> None:
    """With a pipe that is closed before the first line is printed."""
    store = tmp_path / "rnc.duckdb"
    begin(store, "a").write_epoch("a", 0, one_epoch("a", 0))
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", module, str(store)]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 141 and done.stderr == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 網路 …", "plain ünïcode 網路 …"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\u202egnp.exe\u200b", "\\u202egnp.exe\\u200b"),
        ("\ud800\u2028", "\\ud800\\u2028"),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printable(text) == shown
    print_escaped(text)
    print_escaped(text, sys.stderr)
    assert capsys.readouterr() == (shown + "\n", shown + "\n")


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(ValueError("no\n  such \x1b[31mfile"), 2) == 2 and fail(MemoryError(), 1) == 1
    assert capsys.readouterr().err == "error: no such \\x1b[31mfile\nerror: MemoryError\n"
