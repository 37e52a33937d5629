"""Trainers that are suspended, doubled, or whose clock jumps: the numbers are those of an undisturbed run."""

import random
import signal
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from rnc.store import writer
from tests.faults.killed import config, run, send_signal
from tests.faults.kills import differences, undisturbed
from tests.train.fork_server import fork_server
from tests.train.small import ask

OBJECTIVE = "st"


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    return fork_server()


@pytest.fixture(scope="module")
def unbroken(server: ForkServerContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed(server, OBJECTIVE, tmp_path_factory.mktemp("unbroken"))


def jumping(store: Path) -> None:
    """Train while the clock jumps by up to ten days, both ways."""
    chance = random.Random(3)

    def now() -> datetime:
        return datetime.now(UTC).replace(tzinfo=None) + timedelta(days=chance.uniform(-10, 10))

    usual = time.time
    time.time = lambda: usual() + chance.uniform(-1e6, 1e6)
    writer.utc_now = now
    run(store, OBJECTIVE)


def ended(process: BaseProcess) -> int | None:
    process.start()
    process.join()
    return process.exitcode


def whole(store: Path, unbroken: Path) -> None:
    assert ask(store, "SELECT state, epochs_done FROM run") == [("finished", config(OBJECTIVE).epochs)]
    assert differences(store, unbroken) == []


@pytest.mark.slow
def test_suspended_beside_a_second_trainer(server: ForkServerContext, unbroken: Path, tmp_path: Path) -> None:
    """A trainer is stopped and let go again at random; one with the same run key is refused, and changes nothing."""
    store, chance = tmp_path / "rnc.duckdb", random.Random(5)
    first = server.Process(target=run, args=(store, OBJECTIVE))
    first.start()
    while first.is_alive() and not list(tmp_path.glob("locks/*.lock")):
        time.sleep(0.01)
    second = server.Process(target=run, args=(store, OBJECTIVE))
    second.start()
    while first.is_alive():
        send_signal(first, signal.SIGSTOP)
        time.sleep(chance.uniform(0, 0.2))
        send_signal(first, signal.SIGCONT)
        time.sleep(chance.uniform(0.1, 0.5))
    first.join()
    second.join()
    assert (first.exitcode, second.exitcode) == (0, 1)
    whole(store, unbroken)


def test_a_clock_that_jumps(server: ForkServerContext, unbroken: Path, tmp_path: Path) -> None:
    store = tmp_path / "rnc.duckdb"
    assert ended(server.Process(target=jumping, args=(store,))) == 0
    whole(store, unbroken)
