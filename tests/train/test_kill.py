"""Killed with SIGKILL at any place and begun again, a run ends as if nothing had been: numbers and weights, bit for bit."""

import logging
import signal
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from rnc.store.reader import StoreReader
from tests.examples import NIGHTLY
from tests.train.fork_server import fork_server
from tests.train.killed_run import CONFIG, Kill, Place, run
from tests.train.small import ask

ONE_AT_EACH_PLACE = [
    Kill(Place.TRANSACTION, 3),  # in epoch 0
    Kill(Place.WRITE, 1),
    Kill(Place.RENAME, 1),
    Kill(Place.COMMITTED, 1),
    Kill(Place.STEP, 10),
    Kill(Place.RESUME, 2),
]
TWENTY = [
    Kill(Place.TRANSACTION, 1),  # as the run is entered
    Kill(Place.TRANSACTION, 3),  # in epoch 0
    Kill(Place.WRITE, 1),
    Kill(Place.RENAME, 1),
    Kill(Place.COMMITTED, 1),
    Kill(Place.STEP, 3),
    Kill(Place.STEP, 1),
    Kill(Place.RESUME, 2),
    Kill(Place.STEP, 9),
    Kill(Place.TRANSACTION, 2),
    Kill(Place.WRITE, 2),
    Kill(Place.COMMITTED, 1),
    Kill(Place.STEP, 10),
    Kill(Place.WRITE, 1),
    Kill(Place.RENAME, 1),
    Kill(Place.STEP, 5),
    Kill(Place.TRANSACTION, 3),
    Kill(Place.RESUME, 1),
    Kill(Place.STEP, 12),
    Kill(Place.RENAME, 2),
]
KILLS = TWENTY if NIGHTLY else ONE_AT_EACH_PLACE
"""A kill costs a second of processor: twenty of them, at other moments too, are for the night."""
PHASES = {
    "training step": (Place.STEP,),
    "checkpoint write": (Place.WRITE, Place.RENAME, Place.RESUME),
    "store transaction": (Place.TRANSACTION, Place.COMMITTED),
}
TABLES = {
    "metric": "*", "class_metric": "*", "class_mean": "*", "classifier": "*", "feature": "*", "attack_path": "*",
    "projection": "*", "leap": "*", "layer": "*", "run_condition": "*", "checkpoint": "*",
    "epoch": "epoch, learning_rate, train_loss",
}  # fmt: skip


def begun(store: Path, kill: Kill | None) -> int | None:
    """Train in a process of its own until it ends; returns how."""
    process: BaseProcess = fork_server().Process(target=run, args=(store, kill))
    process.start()
    process.join()
    return process.exitcode


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("unbroken") / "rnc.duckdb"
    assert begun(store, None) == 0
    return store


@pytest.mark.slow
def test_kills_at_every_place_change_nothing(unbroken: Path, tmp_path: Path) -> None:
    store, done = tmp_path / "rnc.duckdb", 0
    for kill in KILLS:
        assert begun(store, kill) == -signal.SIGKILL, f"{kill} was not met"
        known = StoreReader(store).runs.all()
        landed = 0 if known.empty else int(known["epochs_done"].iloc[0])
        assert landed >= done, f"{kill} lost epochs that had landed"
        done = ask(store, "SELECT coalesce(max(epoch), 0) FROM metric")[0][0] if not known.empty else 0
    log = (tmp_path / "killed.log").read_text().splitlines()
    logging.getLogger(__name__).info("killed %s", "; ".join(log))
    assert log == [str(kill.place) for kill in KILLS]
    hit = Counter(log)
    assert set(log) == set(Place)
    if NIGHTLY:
        assert len(log) == 20 and all(sum(hit[place] for place in places) >= 5 for places in PHASES.values())
    assert begun(store, None) == 0
    assert ask(store, "SELECT state, epochs_done FROM run") == [("finished", CONFIG.epochs)]
    for table, columns in TABLES.items():
        order = f"SELECT {columns} FROM {table} ORDER BY ALL"
        expected = ask(unbroken, order)
        assert expected and ask(store, order) == expected, table
    files = {path.relative_to(store.parent) for path in (store.parent / "checkpoints").rglob("*") if path.is_file()}
    assert files == {
        p.relative_to(unbroken.parent) for p in (unbroken.parent / "checkpoints").rglob("*") if p.is_file()
    }
    for file in files:
        assert (store.parent / file).read_bytes() == (unbroken.parent / file).read_bytes(), file


def test_what_had_landed_stays_while_a_run_goes_on(tmp_path: Path) -> None:
    """A reader sees every landed epoch between the kills."""
    store = tmp_path / "rnc.duckdb"
    assert begun(store, Kill(Place.STEP, 7 * 4 + 1)) == -signal.SIGKILL
    assert ask(store, "SELECT DISTINCT epoch FROM metric ORDER BY ALL") == [(0,), (1,), (2,), (4,)]
    before = ask(store, "SELECT * FROM metric ORDER BY ALL")
    assert begun(store, Kill(Place.STEP, 1)) == -signal.SIGKILL
    assert ask(store, "SELECT * FROM metric ORDER BY ALL") == before
