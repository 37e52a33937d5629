"""SIGKILL at random moments: a few of the kills that `make faults` makes a hundred of (`tests/faults/kills.py`)."""

from pathlib import Path

import pytest

from tests.faults.kills import campaign
from tests.train.fork_server import fork_server


@pytest.mark.slow
def test_random_kills_lose_nothing(tmp_path: Path) -> None:
    tally = campaign(fork_server(), "st", 3, 7, tmp_path)
    assert tally.clean() and tally.finished, str(tally)
    assert sum(tally.hit.values()) == 3
