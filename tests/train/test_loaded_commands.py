"""Commands that find torch loaded behave like those that load it: arguments, folder, environment, streams, signals, ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnc.processes import identity
from rnc.store.locks import training_process
from tests.conftest import ROOT
from tests.train.slurm import wait_for
from tests.train.small import FLAGS
from tests.train.test_sweep import begun
from train.run import parse

LONG = ["--epochs", "5000", "--measured-epochs", "0,1,5000", "--subset", "100", "--measure-subset", "40", *FLAGS[2:]]


pytestmark = pytest.mark.usefixtures("loaded_commands")


def test_a_command_has_its_arguments_folder_environment_and_streams(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "train.run", "tiny", "--dry-run", "--device", "cpu"]
    environment = os.environ | {"RNC_STORE": "beside/rnc.duckdb", "PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"}
    (tmp_path / "beside").mkdir()
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0 and "1 runs, one after another on cpu: about " in told.stdout and told.stderr == ""
    (tmp_path / "beside" / "rnc.duckdb").write_text("no store")
    again = subprocess.run(command[:-3], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 2 and again.stdout == "" and again.stderr.startswith("error: ")
    assert "beside/rnc.duckdb" in again.stderr


def long_training(store: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A command that trains, and the number of the process in its place, which does it."""
    command = [sys.executable, "-m", "train.run", *LONG, "--store", str(store)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: begun(store, 1), 600)
    trainer = int(training_process(store, parse(LONG)[0].config.run_id) or 0)
    assert trainer != process.pid and identity(trainer)
    return process, trainer


def test_a_command_that_is_killed_takes_the_process_in_its_place_with_it(tmp_path: Path) -> None:
    """SIGTERM and SIGINT are passed on: tests/train/test_endurance.py."""
    process, trainer = long_training(tmp_path / "rnc.duckdb")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    wait_for(lambda: not identity(trainer), 600)


def test_a_command_ends_by_the_signal_that_ends_the_process_in_its_place(tmp_path: Path) -> None:
    process, trainer = long_training(tmp_path / "rnc.duckdb")
    os.kill(trainer, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
