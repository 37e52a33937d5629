"""A sweep's file comes back as it was saved, and its progress is that of a hand-written store."""

from pathlib import Path

import pandas as pd
import pytest

from rnc.store.sweep_state import Job, PlannedRun, Sweep, progress, sweep_folder, sweeps_of

RUNS = {
    name: PlannedRun({"seed": 1}, 10, seconds) for name, seconds in [("a", 10.0), ("b", 10.0), ("c", 100.0), ("d", 1.0)]
}


def sweep() -> Sweep:
    return Sweep("grid-1", "local", {"pack": 0}, dict(RUNS), [Job("17", ["a", "b"])])


def rows(**states: tuple[str, int]) -> pd.DataFrame:
    found = [(name, state, done) for name, (state, done) in states.items()]
    return pd.DataFrame(found, columns=["run_id", "state", "epochs_done"])


def test_a_saved_sweep_comes_back(tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    assert sweeps_of(store) == []
    sweep().save(store)
    sweep().save(store)
    assert sweeps_of(store) == [sweep()]
    assert [file.name for file in sweep_folder(store, "grid-1").iterdir()] == ["sweep.json"]


def test_progress_weighs_runs_by_what_they_cost() -> None:
    """a done (10 s), b half (5 of 10), c a tenth (10 of 100), d never begun: 25 of 121."""
    runs = rows(a=("finished", 10), b=("running", 5), c=("running", 1))
    seconds_per_epoch = pd.DataFrame({"run_id": ["a", "b", "c"], "seconds": [2.0, 2.0, 20.0]})
    now = progress(sweep(), runs, seconds_per_epoch)
    assert now.share == pytest.approx(25 / 121)
    # The machine is twice as slow as planned: b 10 s, c 180 s, d 2 s are left, on two places; c alone takes 180.
    assert now.seconds_left == pytest.approx(180)
    assert str(now) == "1 of 4 finished, 2 running, 1 waiting; about 3 min left"


def test_what_a_run_has_shown_of_its_pace_counts_for_it_alone() -> None:
    """a is as fast as planned (10 s), c four times as slow (400 s, half done): the others by the median, 2.5 times."""
    runs = rows(a=("finished", 10), c=("running", 5))
    seconds_per_epoch = pd.DataFrame({"run_id": ["a", "c"], "seconds": [1.0, 40.0]})
    assert progress(sweep(), runs, seconds_per_epoch).seconds_left == pytest.approx(200 + 2.5 * 10 + 2.5 * 1)


def test_work_that_can_be_shared_is() -> None:
    runs = rows(a=("running", 0), b=("running", 0), c=("failed", 1), d=("finished", 10))
    seconds_per_epoch = pd.DataFrame({"run_id": ["d"], "seconds": [0.3]})  # (3 s for 1 planned)
    assert progress(sweep(), runs, seconds_per_epoch).seconds_left == pytest.approx(60 / 2)


def test_nothing_is_promised_before_anything_is_known_or_while_nothing_runs() -> None:
    none = pd.DataFrame({"run_id": [], "seconds": []})
    assert progress(sweep(), rows(a=("running", 0)), none).seconds_left is None
    seconds_per_epoch = pd.DataFrame({"run_id": ["a"], "seconds": [1.0]})
    now = progress(sweep(), rows(a=("interrupted", 5)), seconds_per_epoch)
    assert now.seconds_left is None and str(now) == "0 of 4 finished, 3 waiting, 1 interrupted"
    assert progress(sweep(), pd.DataFrame(columns=["run_id", "state"]), none).share == 0
