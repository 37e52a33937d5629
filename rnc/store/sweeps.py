"""Sweeps: what was asked for, a folder a sweep beside the store. How far its runs are, the store alone says.

`sweeps/NAME/sweep.json` holds the runs with their sizes and the jobs that were given them; the jobs' logs lie beside it.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rnc.vocabulary import RunState


@dataclass(frozen=True)
class PlannedRun:
    """A run of a sweep."""

    config: dict[str, Any]
    epochs: int
    seconds: float
    """What it would take on the machine that planned it: runs are weighed by it, since TRADES costs ten times ST."""


@dataclass(frozen=True)
class Job:
    """Some runs in the hands of an engine."""

    job_id: str
    run_ids: list[str]
    cancelled: bool = False
    """Whether it was told to end, which may take until its runs' epochs do."""


@dataclass
class Sweep:
    """A sweep as its file has it."""

    name: str
    engine: str
    options: dict[str, Any]
    """How its jobs are submitted, so that failed runs can be tried again in the same way."""
    runs: dict[str, PlannedRun]
    jobs: list[Job] = field(default_factory=list)

    def save(self, store: Path) -> None:
        """Write the file; who reads meanwhile finds the old one or the new one."""
        folder = sweep_folder(store, self.name)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".partial", delete=False) as file:
            json.dump(asdict(self), file)
        os.replace(file.name, folder / "sweep.json")


def sweep_folder(store: Path, name: str) -> Path:
    """Where a sweep of a store has its file and its logs."""
    return store.parent / "sweeps" / name


def sweeps_of(store: Path) -> list[Sweep]:
    """The sweeps that write to a store, by name."""
    return [_load(file) for file in sorted((store.parent / "sweeps").glob("*/sweep.json"))]


def _load(file: Path) -> Sweep:
    found = json.loads(file.read_text())
    found["runs"] = {run_id: PlannedRun(**run) for run_id, run in found["runs"].items()}
    found["jobs"] = [Job(**job) for job in found["jobs"]]
    return Sweep(**found)


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is."""

    states: dict[str, str]
    """Each run's state in the store, or `waiting` where it never began."""
    share: float
    """Of the work, 0 to 1."""
    seconds_left: float | None
    """At the pace so far, with as many runs at a time as now; None where nothing is trained yet or nothing runs."""

    def count(self, state: str) -> int:
        """The runs in a state."""
        return sum(found == state for found in self.states.values())

    def __str__(self) -> str:
        """Counts and what is left, on one line."""
        shown = [str(RunState.RUNNING), WAITING, str(RunState.INTERRUPTED), str(RunState.FAILED)]
        parts = [f"{self.count(state)} {state}" for state in shown if self.count(state)]
        parts = [f"{self.count(RunState.FINISHED)} of {len(self.states)} finished", *parts]
        left = "" if self.seconds_left is None else f"; about {in_words(self.seconds_left)} left"
        return ", ".join(parts) + left


WAITING = "waiting"


def progress(sweep: Sweep, runs: pd.DataFrame, paces: pd.DataFrame) -> SweepProgress:
    """How far a sweep is, from the reader's `runs` and `paces`."""
    states = dict(zip(runs["run_id"], map(str, runs["state"]), strict=True)) if len(runs) else {}
    done = dict(zip(runs["run_id"], runs["epochs_done"], strict=True)) if len(runs) else {}
    states = {run_id: states.get(run_id, WAITING) for run_id in sweep.runs}
    share = {run_id: _share(states[run_id], done.get(run_id, 0), run) for run_id, run in sweep.runs.items()}
    weight = sum(run.seconds for run in sweep.runs.values())
    trained = sum(share[run_id] * run.seconds for run_id, run in sweep.runs.items()) / weight if weight else 1.0
    return SweepProgress(states, trained, _seconds_left(sweep, states, share, paces))


def _share(state: str, epochs_done: int, run: PlannedRun) -> float:
    return 1.0 if state == RunState.FINISHED else epochs_done / run.epochs if run.epochs else 0.0


def _seconds_left(sweep: Sweep, states: dict[str, str], share: dict[str, float], paces: pd.DataFrame) -> float | None:
    """Seconds of work left, over the runs at a time; a run that never began goes at the pace of the others."""
    per_epoch = dict(zip(paces["run_id"], paces["seconds"], strict=True)) if len(paces) else {}
    whole = {run_id: per_epoch[run_id] * run.epochs for run_id, run in sweep.runs.items() if run_id in per_epoch}
    running = sum(state == RunState.RUNNING for state in states.values())
    ratios = [seconds / sweep.runs[run_id].seconds for run_id, seconds in whole.items() if sweep.runs[run_id].seconds]
    if not ratios or not running:
        return None
    ratio = float(pd.Series(ratios).median())
    left = [
        (1 - share[run_id]) * whole.get(run_id, ratio * run.seconds)
        for run_id, run in sweep.runs.items()
        if states[run_id] not in (RunState.FINISHED, RunState.FAILED)
    ]
    return max(sum(left) / running, max(left))


def in_words(seconds: float) -> str:
    """How people say it: `40 s`, `12 min`, `3.4 h`, `2.1 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
