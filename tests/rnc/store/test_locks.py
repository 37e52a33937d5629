"""Locks between processes."""

import errno
import fcntl
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rnc.store.file_locations import store_lock_file
from rnc.store.locks import exclusive_lock, shared_lock

HOLD = """import sys
from pathlib import Path
from rnc.store.locks import exclusive_lock, shared_lock
with (shared_lock if sys.argv[2] == "shared" else exclusive_lock)(Path(sys.argv[1]), 60):
    print("held", flush=True)
    sys.stdin.read()
"""


def locked(kind: str, file: Path, patience: float) -> AbstractContextManager[bool]:
    return (shared_lock if kind == "shared" else exclusive_lock)(file, patience)


@pytest.mark.parametrize("mine", ["shared", "exclusive"])
@pytest.mark.parametrize("others", ["shared", "exclusive"])
def test_only_shared_locks_are_held_together(mine: str, others: str, tmp_path: Path) -> None:
    file = store_lock_file(tmp_path / "rnc.duckdb")
    with exclusive_lock(file, 1) as obtained:
        assert obtained  # (and the file is there)
    command = [sys.executable, "-c", HOLD, str(file), others]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with locked(mine, file, 0.05) as obtained:
            assert obtained is (mine == others == "shared")
        holder.kill()
        holder.wait()
        with exclusive_lock(file, 60) as obtained:
            assert obtained


def test_a_reader_creates_no_file_and_waits_for_none(tmp_path: Path) -> None:
    file = store_lock_file(tmp_path / "rnc.duckdb")
    with shared_lock(file, 0) as obtained:
        assert obtained
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_the_lock_is_obtained_at_once_unless_required(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("no folder")
    with exclusive_lock(store_lock_file(tmp_path / "rnc.duckdb"), 0) as obtained:
        assert obtained
    with pytest.raises(FileExistsError), exclusive_lock(store_lock_file(tmp_path / "rnc.duckdb"), 0, required=True):
        pass


def test_on_a_disk_without_locks_the_lock_is_obtained_unless_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_arguments: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with exclusive_lock(store_lock_file(tmp_path / "rnc.duckdb"), 0) as obtained:
        assert obtained
    with (
        pytest.raises(OSError, match="no locks"),
        exclusive_lock(store_lock_file(tmp_path / "rnc.duckdb"), 0, required=True),
    ):
        pass
