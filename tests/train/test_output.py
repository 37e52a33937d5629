"""Commands of `train` end quietly where nobody reads what they print, and send no command to the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from train import measure, run, sweep

MODULES = {
    "train.run": ["--list"],
    "train.sweep": ["tiny", "--dry-run", "--device", "cpu"],
    "tests.benchmarks.synthetic": ["1", "--epochs", "1"],
    "train.measure": ["--help"],
}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_a_command_whose_reader_is_gone_prints_no_traceback(module: str, tmp_path: Path) -> None:
    """With a pipe that is closed before the first line is printed."""
    reading, writing = os.pipe()
    os.close(reading)
    store = [] if module == "train.measure" else ["--store", str(tmp_path / "rnc.duckdb")]
    command = [sys.executable, "-m", module, *MODULES[module], *store]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 141 and "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("module", [run, measure, sweep], ids=["run", "measure", "sweep"])
def test_an_error_sends_nothing_to_the_terminal(
    module: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name of a store is in it, which is another's folder."""
    store = tmp_path / "\x1b]0;title\x07\nfolder.duckdb"
    store.write_text("no store")
    images = ["--dataset", "digits", "--model", "small_cnn", "--checkpoint", str(store)] if module is measure else []
    assert module.main([*images, "--device", "cpu", "--store", str(store)]) == 2  # type: ignore[attr-defined]
    told = capsys.readouterr().err
    assert "\x1b" not in told and "\x07" not in told and told.count("\n") == 1 and told.startswith("error: ")
