"""Tests of a sweep's jobs: failed runs again, several runs a job, several processes a run, going on after a cancellation."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rnc.processes import identity
from rnc.store.connection_per_transaction import writing
from rnc.store.locks import run_lock, training_process
from rnc.store.sweep_state import Job, PlannedRun, Sweep, sweep_folder, sweeps_of
from rnc.store.writer import StoreWriter
from tests.train.slurm import wait_for
from tests.train.small import ask
from tests.train.test_sweep import FEW, SMALL, begun, child_of, states
from train import sweep
from train.sweep import main
from train.sweeps.backends import Local
from train.sweeps.grid import grid
from train.sweeps.sweep_job import SweepJob

SHORT = ["--epochs", "2", "--measured-epochs", "0,2", *FEW, *SMALL]


def logs(store: Path) -> str:
    return "".join(file.read_text() for file in (store.parent / "sweeps").glob("*/jobs/*/*.out"))


def jobs(store: Path) -> list[list[str]]:
    """The runs of each job."""
    return [job.run_ids for job in sweeps_of(store)[0].jobs]


def is_told(process: int) -> bool:
    """Return whether a stopped process has a SIGTERM waiting for it."""
    pending = re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{process}/status").read_text())
    return pending is not None and bool(int(pending[1], 16) & 1 << signal.SIGTERM - 1)


WAIT = "import time; print(flush=True); time.sleep(60)"


def controller(folder: Path, **more: str) -> subprocess.Popen:
    """A process with the command line of a job's controller, which does nothing."""
    command = [sys.executable, "-c", WAIT, "-m", "submitit.local._local", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | more)


def test_a_job_is_alive_from_its_start_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "one"
    for _ in range(20):  # (a process has no command line while its program is loaded: of these, a quarter)
        process = controller(folder)
        job = Job(str(process.pid), [], folder="one", process=identity(process.pid))
        assert Local().alive([job], tmp_path) == [job]
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Local().alive([job], tmp_path) == []  # (a zombie)
        process.wait()
        assert Local().alive([job], tmp_path) == []


def test_a_number_in_a_file_is_no_job(tmp_path: Path) -> None:
    """That of this process, of a kernel thread, of another sweep's job, of a program that has the folder as its argument."""
    here = os.getpid()
    elsewhere = controller(tmp_path / "other" / "jobs" / "one")
    reading = subprocess.Popen([sys.executable, "-c", WAIT, str(tmp_path / "jobs")], stdout=subprocess.DEVNULL)
    numbers = [1, 2, 3, here, elsewhere.pid, reading.pid, 4_194_303, 2**40]
    jobs = [Job(str(n), [], folder=name, process=identity(n)) for n in numbers for name in ("", "one")]
    try:
        assert Local().alive(jobs, tmp_path) == []
        Local().cancel(jobs, tmp_path)
        assert elsewhere.poll() is None and reading.poll() is None
    finally:
        for process in (elsewhere, reading):
            process.kill()
            process.wait()


def test_a_job_of_the_version_before_is_found(tmp_path: Path) -> None:
    """It has no folder of its own, and nobody wrote down which process it was."""
    process = controller(tmp_path / "jobs")
    job = Job(str(process.pid), ["a"])
    wait_for(lambda: Local().alive([job], tmp_path) == [job], 60)
    Local().cancel([job], tmp_path)
    assert process.wait(60) == -signal.SIGTERM and Local().alive([job], tmp_path) == []


def test_the_runs_of_a_killed_controller_are_found_and_ended(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "one"
    number = str(2**22 - 7)  # (of a process that is gone)
    run = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.DEVNULL,
        env=os.environ | {"SUBMITIT_FOLDER": str(folder), "SUBMITIT_LOCAL_JOB_ID": number},
    )  # fmt: skip
    job = Job(number, ["a"], folder="one", process="0" * 36 + ":1")
    wait_for(lambda: Local().alive([job], tmp_path) == [job], 60)
    Local().cancel([job], tmp_path)
    assert run.wait(60) == -signal.SIGTERM and Local().alive([job], tmp_path) == []


@pytest.mark.slow
def test_cancel_ends_the_run_whose_controller_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "rnc.duckdb"
    flags = ["--epochs", "5000", "--measured-epochs", "0,1,5000", *FEW, *SMALL]
    assert main([*flags, "--engine", "local", "--store", str(store), "--detach"]) == 0
    wait_for(lambda: begun(store, 1), 600)
    number = int(sweeps_of(store)[0].jobs[0].job_id)
    run = child_of(child_of(number))
    os.kill(number, signal.SIGKILL)
    assert main(["--status", "--store", str(store)]) == 75 and "in a job of local" in capsys.readouterr().out
    assert main(["--cancel", "--store", str(store)]) == 75
    assert not identity(run) and [state for state, _ in states(store).values()] == ["interrupted"]


def test_cancel_says_so_where_a_run_goes_on_in_nobodys_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "rnc.duckdb"
    (config,) = grid(SHORT)[0]
    Sweep(
        "here-1", "local", {}, {config.run_id: PlannedRun(config.to_json(), 2, 1.0)}, [Job("1", [config.run_id])]
    ).save(store)
    StoreWriter(store).prepare()
    with run_lock(store, config.run_id):
        assert main(["--cancel", "--store", str(store)]) == 2
    assert f"{config.run_id} (process {os.getpid()})" in capsys.readouterr().err
    assert main(["--cancel", "--store", str(store)]) == 75


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_runs_are_packed_into_jobs_and_what_failed_is_handed_in_again_when_it_is_asked_for(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    flags = ["--seed", "1,2,3", *SHORT]
    fails, works, third = (config.run_id for config in grid(flags)[0])
    in_the_way = tmp_path / "checkpoints" / fails
    in_the_way.parent.mkdir()
    in_the_way.write_text("no folder")
    command = [*flags, "--engine", "local", "--pack", "2", "--store", str(store)]
    assert main(command) == 1
    ended = {run_id: state for run_id, (state, _) in states(store).items()}
    assert ended == {fails: "failed", works: "finished", third: "finished"}
    assert jobs(store) == [[fails, works], [third]] and logs(store).count(": started") == 3
    in_the_way.unlink()
    assert main(command) == 1 and len(jobs(store)) == 2  # (what failed would fail again, for all it knows)
    assert main(["--retry-failed", "--store", str(store)]) == 0
    assert jobs(store) == [[fails, works], [third], [fails]]
    assert list(states(store).values()) == [("finished", 2)] * 3
    started = [logs(store).count(f"{run_id}: started") for run_id in (fails, works, third)]
    assert started == [2, 1, 1]
    assert main(["--retry-failed", "--store", str(store)]) == 0 and len(jobs(store)) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_a_run_of_a_sweep_has_several_processes(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    assert main([*SHORT, "--engine", "local", "--ranks", "2", "--store", str(store)]) == 0
    assert ask(store, "SELECT state, epochs_done, execution LIKE '%, 2 processes' FROM run") == [("finished", 2, True)]
    assert ask(store, "SELECT count(*), count(DISTINCT epoch) FROM epoch") == [(2, 2)]


def test_a_job_that_is_told_to_end_while_it_looks_at_its_runs_waits_for_them(tmp_path: Path) -> None:
    """`Popen.poll` holds a lock; a signal handler that interrupts it must not ask for the same one."""
    job = SweepJob(tmp_path / "rnc.duckdb", {}, 1, 1, 0, None, requeues=False)
    run = subprocess.Popen([sys.executable, "-c", WAIT])
    job._busy[0] = "run", run
    stopping = threading.Thread(target=job._stop, daemon=True)
    with run._waitpid_lock:
        stopping.start()
        stopping.join(60)
        assert not stopping.is_alive()
    assert run.wait() == -signal.SIGTERM
    job._stop()  # (a run that has been waited for)


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_a_cancelled_sweep_stops_and_the_same_command_goes_on_once_its_jobs_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    store = tmp_path / "rnc.duckdb"
    # These epochs take seconds, in which the run is met running.
    flags = ["--epochs", "80", "--measured-epochs", "0,1,80", *FEW, *SMALL]
    command = [*flags, "--engine", "local", "--store", str(store)]
    assert main([*command, "--detach"]) == 0
    wait_for(lambda: begun(store, 1), 600)
    assert main(["--cancel", "--store", str(store)]) == 75
    ((state, _done),) = states(store).values()
    (found,) = sweeps_of(store)
    assert state == "interrupted" and not Local().alive(found.jobs, sweep_folder(store, found.name))
    assert main([*command, "--detach"]) == 0
    wait_for(lambda: begun(store, 1), 600)  # (the epochs that landed before are still there, so it may have just begun)
    assert len(jobs(store)) == 2
    task = child_of(sweeps_of(store)[0].jobs[1].job_id)
    (run_id,) = states(store)
    run = int(training_process(store, run_id) or 0)
    with writing(store):  # A process that is stopped while it has the store would keep all others out.
        for process in (run, task):  # (a job that takes its time to end)
            os.kill(process, signal.SIGSTOP)
    with monkeypatch.context() as hurry:
        hurry.setattr(sweep, "_CANCEL_TIMEOUT", 0.0)
        assert main(["--cancel", "--store", str(store)]) == 2
        assert "were cancelled but have not ended yet; a run ends only after an epoch" in capsys.readouterr().err
        assert main(command) == 2 and len(jobs(store)) == 2
    until_gone = sweep._wait_until_ended

    def let_go_and_wait(*waited_for: Any) -> None:
        os.kill(task, signal.SIGCONT)
        wait_for(lambda: is_told(run), 600)
        os.kill(run, signal.SIGCONT)
        until_gone(*waited_for)

    monkeypatch.setattr(sweep, "_wait_until_ended", let_go_and_wait)
    monkeypatch.setattr(sweep, "_CANCEL_TIMEOUT", 600.0)  # (of a busy machine)
    assert main(command) == 0
    assert "waiting for the cancelled jobs" in capsys.readouterr().out
    assert len(jobs(store)) == 3 and list(states(store).values()) == [("finished", 80)]
