"""How a sweep deals out its runs: again where they failed, several a job, several processes a run, after one cancelled."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rnc.store.sweeps import sweeps_of
from tests.train.slurm import wait_for
from tests.train.small import ask
from tests.train.test_sweep import FEW, SMALL, begun, child_of, states
from train import sweep
from train.engines import Local
from train.grid import grid
from train.sweep import main

SHORT = ["--epochs", "2", "--measured-epochs", "0,2", *FEW, *SMALL]


def logs(store: Path) -> str:
    return "".join(file.read_text() for file in (store.parent / "sweeps").glob("*/jobs/*.out"))


def jobs(store: Path) -> list[list[str]]:
    """The runs of each job."""
    return [job.run_ids for job in sweeps_of(store)[0].jobs]


def is_told(process: int) -> bool:
    """Whether SIGTERM waits for a process that stands still."""
    pending = re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
    return pending is not None and bool(int(pending[1], 16) & 1 << signal.SIGTERM - 1)


def test_a_job_is_alive_from_its_start_to_its_end() -> None:
    for _ in range(50):  # (a process has no command line while its program is loaded: of these, a quarter)
        controller = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "submitit.local"])
        assert Local().alive([str(controller.pid)]) == {str(controller.pid)}
        controller.kill()
        os.waitid(os.P_PID, controller.pid, os.WEXITED | os.WNOWAIT)
        assert Local().alive([str(controller.pid)]) == set()  # (a zombie)
        controller.wait()
        assert Local().alive([str(controller.pid)]) == set()
    assert Local().alive([str(os.getpid())]) == set()


def test_what_failed_is_handed_in_again_when_it_is_asked_for(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    flags = ["--seed", "1,2", *SHORT]
    fails, works = (config.run_id for config in grid(flags)[0])
    in_the_way = tmp_path / "checkpoints" / fails
    in_the_way.parent.mkdir()
    in_the_way.write_text("no folder")
    command = [*flags, "--engine", "local", "--store", str(store)]
    assert main(command) == 1
    assert {run_id: state for run_id, (state, _) in states(store).items()} == {fails: "failed", works: "finished"}
    in_the_way.unlink()
    assert main(command) == 1 and len(jobs(store)) == 1  # (what failed would fail again, for all it knows)
    assert main(["--retry-failed", "--store", str(store)]) == 0
    assert jobs(store) == [[fails, works], [fails]]
    assert set(states(store).values()) == {("finished", 2)}
    assert logs(store).count(f"{works}: begins") == 1 and logs(store).count(f"{fails}: begins") == 2
    assert main(["--retry-failed", "--store", str(store)]) == 0 and len(jobs(store)) == 2


def test_runs_are_packed_into_jobs(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    flags = ["--seed", "1,2,3", *SHORT]
    first, second, third = (config.run_id for config in grid(flags)[0])
    assert main([*flags, "--engine", "local", "--pack", "2", "--store", str(store)]) == 0
    assert jobs(store) == [[first, second], [third]]
    assert sorted(states(store).values()) == [("finished", 2)] * 3
    assert logs(store).count(": begins") == 3


def test_a_run_of_a_sweep_has_several_processes(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    assert main([*SHORT, "--engine", "local", "--ranks", "2", "--store", str(store)]) == 0
    assert ask(store, "SELECT state, epochs_done, execution LIKE '%, 2 processes' FROM run") == [("finished", 2, True)]
    assert ask(store, "SELECT count(*), count(DISTINCT epoch) FROM epoch") == [(2, 2)]


def test_the_same_command_waits_for_a_cancelled_job_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    store = tmp_path / "rnc.duckdb"
    flags = ["--epochs", "40", "--measured-epochs", "0,1,40", *FEW, *SMALL]
    command = [*flags, "--engine", "local", "--store", str(store)]
    assert main([*command, "--detach"]) == 0
    wait_for(lambda: begun(store, 1), 600)
    task = child_of(sweeps_of(store)[0].jobs[0].job_id)
    run = child_of(task)
    for process in (run, task):  # (a job that takes its time to end)
        os.kill(process, signal.SIGSTOP)
    with monkeypatch.context() as hurry:
        hurry.setattr(sweep, "_PATIENCE", 0.0)
        assert main(["--cancel", "--store", str(store)]) == 2
        assert "have been told to end, and have not yet" in capsys.readouterr().err
        assert main(command) == 2 and len(jobs(store)) == 1
    until_gone = sweep._until_gone

    def let_go_and_wait(*waited_for: Any) -> None:
        os.kill(task, signal.SIGCONT)
        wait_for(lambda: is_told(run), 60)
        os.kill(run, signal.SIGCONT)
        until_gone(*waited_for)

    monkeypatch.setattr(sweep, "_until_gone", let_go_and_wait)
    assert main(command) == 0
    assert "were cancelled and have not ended yet; waiting for them" in capsys.readouterr().out
    assert len(jobs(store)) == 2 and set(states(store).values()) == {("finished", 40)}
