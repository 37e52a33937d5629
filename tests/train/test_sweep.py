"""Sweeps on real engines: submitit's local one, and a SLURM of one node that the test starts."""

import os
import re
import signal
from pathlib import Path

import pytest

from rnc.probe.store_and_device_options import Options
from rnc.store.errors import StoreError
from rnc.store.sweep_state import sweeps_of
from tests.train.slurm import answer, installed, one_node, wait_for
from tests.train.small import ask
from train.loop import train_run
from train.sweep import main
from train.sweeps.grid import grid

SMALL = ["--steps", "1", "--sample-size", "20", "--no-umap", "--layerwise-epochs", "none", "--device", "cpu"]
FEW = ["--subset", "200", "--measure-subset", "50", "--epsilon-fractions", "0.5"]
TWELVE = ["--seed", "1,2,3,4,5,6", "--objective", "st,at", "--epochs", "8", "--measured-epochs", "0,1,8", *FEW, *SMALL]


def states(store: Path) -> dict[str, tuple[str, int]]:
    """Each run's state and epochs; none where the store is not there yet."""
    try:
        return {
            run_id: (state, done) for run_id, state, done in ask(store, "SELECT run_id, state, epochs_done FROM run")
        }
    except StoreError:
        return {}


def keeps_a_network(store: Path, run_id: str = "*") -> bool:
    """Return whether a run has landed an epoch, or is about to: only then is it worth asking the store, which takes 20 ms."""
    return any((store.parent / "checkpoints").glob(f"{run_id}/epoch-*.safetensors"))


def begun(store: Path, epochs: int) -> bool:
    """Return whether a run is still running after at least so many epochs."""
    return keeps_a_network(store) and any(
        state == "running" and done >= epochs for state, done in states(store).values()
    )


def check_complete(store: Path, run_ids: list[str], epochs: int, measured: int) -> None:
    """These runs are complete, and nothing is there twice, of any run."""
    runs, of_them = len(run_ids), "WHERE list_contains($1, run_id)"
    assert [states(store)[run_id] for run_id in run_ids] == [("finished", epochs)] * runs
    assert ask(store, "SELECT count(*) - count(DISTINCT run_id) FROM run") == [(0,)]
    assert ask(store, "SELECT count(*) - count(DISTINCT (run_id, epoch)) FROM epoch") == [(0,)]
    key = "(run_id, epoch, split, condition, means_condition, means_split, layer, metric)"
    assert ask(store, f"SELECT count(*) - count(DISTINCT {key}) FROM metric") == [(0,)]
    assert ask(store, f"SELECT count(*) FROM epoch {of_them}", run_ids) == [(runs * epochs,)]
    assert ask(store, f"SELECT count(DISTINCT (run_id, epoch)) FROM metric {of_them}", run_ids) == [(runs * measured,)]


def networks(store: Path, run_id: str) -> list[tuple]:
    return ask(store, "SELECT epoch, sha256 FROM checkpoint WHERE run_id = ? ORDER BY epoch", run_id)


def check_as_undisturbed(store: Path, run_id: str, flags: list[str], tmp_path: Path) -> None:
    """A run that was broken off has the networks of one that never was."""
    config = next(config for config in grid(flags)[0] if config.run_id == run_id)
    train_run(config, Options(tmp_path / "alone" / "rnc.duckdb", device="cpu"))
    assert networks(store, run_id) == networks(tmp_path / "alone" / "rnc.duckdb", run_id)


def child_of(process: str | int) -> int:
    """Of the controller of a job on submitit's local engine, the job; of that, the run."""
    return int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_commands")
def test_a_preempted_job_goes_on_and_a_failed_run_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Two runs at a time: one fails, one is broken off, and one has hardly begun or not at all."""
    store = tmp_path / "rnc.duckdb"
    flags = ["--learning-rate", "1e30,0.1,0.05", "--epochs", "20", "--measured-epochs", "0,1,20", *FEW, *SMALL]
    command = [*flags, "--engine", "local", "--jobs", "2", "--store", str(store)]
    assert main([*command, "--detach"]) == 0
    fails, works, later = (config.run_id for config in grid(flags)[0])
    job = sweeps_of(store)[0].jobs[0].job_id
    wait_for(lambda: keeps_a_network(store, works) and states(store).get(works, ("", 0))[1] >= 1, 600)
    os.kill(child_of(job), signal.SIGUSR2)
    assert main(command) == 1  # (hands in nothing more, watches)
    assert len(sweeps_of(store)[0].jobs) == 1
    assert states(store).keys() == {fails, works, later} and states(store)[fails][0] == "failed"
    check_complete(store, [works, later], epochs=20, measured=3)
    log = next((store.parent / "sweeps").glob("*/jobs/*/*.out")).read_text()
    assert log.count(f"{works}: started") == 2 and "preempted" in log + log.replace("out", "err")
    check_as_undisturbed(store, works, flags, tmp_path)
    assert main(["--status", "--store", str(store)]) == 1
    assert f"{works}  finished  epoch 20 of 20" in capsys.readouterr().out


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store = ["--store", str(tmp_path / "rnc.duckdb")]
    assert main(["--overwrite", *store]) == 2 and "train.run --overwrite" in capsys.readouterr().err
    assert main(["--engine", "cloud", *store]) == 2 and "slurm or local" in capsys.readouterr().err
    assert main(["--slurm", "partition", "--engine", "local", *store]) == 2
    assert main(["--status", *store]) == 2 and "no sweep" in capsys.readouterr().err


@pytest.mark.cluster
@pytest.mark.skipif(not installed(), reason="no SLURM here: apt-get install slurm-wlm munge")
def test_twelve_runs_on_slurm_with_a_preemption_and_a_drain(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    command = [*TWELVE, "--engine", "slurm", "--store", str(store), "--time-limit", "10m"]
    with one_node(tmp_path / "slurm") as node:
        assert main([*command, "--detach"]) == 0
        wait_for(lambda: begun(store, 1), 200)
        answer("sbatch", "--partition=urgent", "--output=/dev/null", "--wrap=sleep 1")
        wait_for(lambda: preempted(store), 60)
        again = preempted(store)
        answer("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        wait_for(lambda: "drained" in answer("sinfo", "--noheader", "--format=%T"), 200)
        finished = sum(state == "finished" for state, _ in states(store).values())
        assert finished < 12 and not answer("squeue", "--noheader", "--states=running")
        answer("scontrol", "update", f"nodename={node}", "state=resume")
        assert main(command) == 0
    check_complete(store, [config.run_id for config in grid(TWELVE)[0]], epochs=8, measured=3)
    assert len(states(store)) == 12 and len(sweeps_of(store)[0].jobs) == 12
    check_as_undisturbed(store, again[0], TWELVE, tmp_path)


def preempted(store: Path) -> list[str]:
    """The runs whose jobs SLURM has started more than once, or is about to."""
    found = []
    for job in sweeps_of(store)[0].jobs:
        if re.search(r"Restarts=[1-9]", answer("scontrol", "show", "job", job.job_id)):
            found += job.run_ids
    return found
