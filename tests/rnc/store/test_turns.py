"""Turns between processes."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from rnc.store.files import turn_file
from rnc.store.turns import turn

HOLD = """import sys
from pathlib import Path
from rnc.store.turns import turn
with turn(Path(sys.argv[1]), 60, shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("mine", ["shared", "alone"])
@pytest.mark.parametrize("others", ["shared", "alone"])
def test_who_shares_waits_for_nobody_who_shares(mine: str, others: str, tmp_path: Path) -> None:
    file = turn_file(tmp_path / "rnc.duckdb")
    with turn(file, 1) as came:
        assert came  # (and the file is there)
    command = [sys.executable, "-c", HOLD, str(file), others]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with turn(file, 0.05, shared=mine == "shared") as came:
            assert came is (mine == others == "shared")
        holder.kill()
        holder.wait()
        with turn(file, 60) as came:
            assert came


def test_a_reader_makes_no_file_and_waits_for_none(tmp_path: Path) -> None:
    file = turn_file(tmp_path / "rnc.duckdb")
    with turn(file, 0, shared=True) as came:
        assert came
    assert list(tmp_path.iterdir()) == []


def test_where_no_file_can_be_made_the_turn_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no folder")
    with turn(turn_file(tmp_path / "rnc.duckdb"), 0) as came:
        assert came
    with pytest.raises(FileExistsError), turn(turn_file(tmp_path / "rnc.duckdb"), 0, needed=True):
        pass


def test_a_disk_may_know_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with turn(turn_file(tmp_path / "rnc.duckdb"), 0) as came:
        assert came
    with pytest.raises(OSError, match="no locks"), turn(turn_file(tmp_path / "rnc.duckdb"), 0, needed=True):
        pass
