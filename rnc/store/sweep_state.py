"""The progress of a store's sweeps, from their planned runs (`sweep_file`) and the states of runs in the store."""

import math
from dataclasses import dataclass

import pandas as pd

from rnc.durations import in_words
from rnc.store.sweep_file import Job as Job
from rnc.store.sweep_file import PlannedRun as PlannedRun
from rnc.store.sweep_file import Sweep as Sweep
from rnc.store.sweep_file import SweepListing as SweepListing
from rnc.store.sweep_file import find_sweeps as find_sweeps
from rnc.store.sweep_file import left_out_message as left_out_message
from rnc.store.sweep_file import sweep_folder as sweep_folder
from rnc.store.sweep_file import sweeps_of as sweeps_of
from rnc.vocabulary import RunState


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a sweep."""

    states: dict[str, str]
    """Each run's state in the store, or `waiting` if it has not begun."""
    share: float
    """The completed share of the work, 0 to 1."""
    seconds_left: float | None
    """Estimate from the times per epoch, with as many parallel runs as now; None if nothing is trained yet or nothing runs."""

    def count(self, state: str) -> int:
        """Return the number of runs in a state."""
        return list(self.states.values()).count(state)

    def __str__(self) -> str:
        """Return the counts and the time left on one line."""
        shown = [str(RunState.RUNNING), WAITING, str(RunState.INTERRUPTED), str(RunState.FAILED)]
        parts = [f"{self.count(state)} {state}" for state in shown if self.count(state)]
        parts = [f"{self.count(RunState.FINISHED)} of {len(self.states)} finished", *parts]
        left = "" if self.seconds_left is None else f"; about {in_words(self.seconds_left)} left"
        return ", ".join(parts) + left


WAITING = "waiting"


def progress(sweep: Sweep, runs: pd.DataFrame, seconds_per_epoch: pd.DataFrame) -> SweepProgress:
    """Return the progress of a sweep from the reader's `runs` and `seconds_per_epoch`, which may hold implausible numbers."""
    states = dict(zip(runs["run_id"], map(str, runs["state"]), strict=True)) if len(runs) else {}
    done = dict(zip(runs["run_id"], runs["epochs_done"], strict=True)) if len(runs) else {}
    states = {run_id: states.get(run_id, WAITING) for run_id in sweep.runs}
    share = {run_id: _share(states[run_id], done.get(run_id, 0), run) for run_id, run in sweep.runs.items()}
    weight = sum(run.seconds for run in sweep.runs.values())
    trained = sum(share[run_id] * run.seconds for run_id, run in sweep.runs.items()) / weight if weight else 1.0
    return SweepProgress(states, min(max(trained, 0.0), 1.0), _seconds_left(sweep, states, share, seconds_per_epoch))


def _share(state: str, epochs_done: float, run: PlannedRun) -> float:
    """Return the completed share of a run, 0 to 1, even if the stored number of epochs is implausible."""
    if state == RunState.FINISHED:
        return 1.0
    if not run.epochs or pd.isna(epochs_done) or epochs_done <= 0:
        return 0.0
    return min(float(epochs_done), run.epochs) / run.epochs


def _seconds_left(
    sweep: Sweep, states: dict[str, str], share: dict[str, float], seconds_per_epoch: pd.DataFrame
) -> float | None:
    """Return the seconds left with the current number of parallel runs; None if no time per epoch is known or nothing runs.

    A run that has not begun is assumed to be as fast as the others.
    """
    measured = (
        zip(seconds_per_epoch["run_id"], seconds_per_epoch["seconds"], strict=True) if len(seconds_per_epoch) else ()
    )
    per_epoch = {run_id: seconds for run_id, seconds in measured if not pd.isna(seconds) and 0 <= seconds < math.inf}
    total = {run_id: per_epoch[run_id] * run.epochs for run_id, run in sweep.runs.items() if run_id in per_epoch}
    running = sum(state == RunState.RUNNING for state in states.values())
    ratios = [seconds / sweep.runs[run_id].seconds for run_id, seconds in total.items() if sweep.runs[run_id].seconds]
    if not ratios or not running:
        return None
    ratio = float(pd.Series(ratios).median())
    left = [
        (1 - share[run_id]) * total.get(run_id, ratio * run.seconds)
        for run_id, run in sweep.runs.items()
        if states[run_id] not in (RunState.FINISHED, RunState.FAILED)
    ]
    seconds = max(sum(left) / running, max(left))
    return seconds if math.isfinite(seconds) else None
