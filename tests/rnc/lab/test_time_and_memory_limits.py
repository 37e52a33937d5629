"""Limits come from the machine and the environment; what is no number is not used, and is logged."""

from pathlib import Path

import pytest

from rnc.lab import time_and_memory_limits
from rnc.lab.time_and_memory_limits import Limits, from_environment

VARIABLES = ("RNC_LAB_SECONDS", "RNC_LAB_MEMORY", "RNC_LAB_QUEUE", "RNC_LAB_PER_SESSION")


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_there_are_limits_though_nobody_names_any() -> None:
    found = from_environment()
    assert found.memory_bytes is not None and 2**30 < found.memory_bytes < 2**45
    assert found == Limits(memory_bytes=found.memory_bytes)
    assert (found.request_seconds, found.queued, found.queued_each, found.stop_seconds) == (1800, 64, 4, 5)


def test_the_environment_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(VARIABLES, ("60", "2.5", "7", "1"), strict=True):
        monkeypatch.setenv(name, value)
    assert from_environment() == Limits(request_seconds=60.0, memory_bytes=int(2.5 * 2**30), queued=7, queued_each=1)


@pytest.mark.parametrize("value", ["", "-1", "0", "many", "nan", "inf", "1e999", "x" * 10_000])
@pytest.mark.parametrize("name", VARIABLES)
def test_what_is_no_number_above_zero_is_not_used(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = from_environment()
    monkeypatch.setenv(name, value)
    assert from_environment() == usual


@pytest.mark.parametrize(("machine", "expected"), [(2**30, 3 * 2**29), (64 * 2**30, 32 * 2**30)])
def test_the_share_of_the_memory(machine: int, expected: int) -> None:
    assert time_and_memory_limits.default_memory(machine) == expected


@pytest.mark.parametrize(
    ("own", "file"),
    [
        ("0::/a/b", "a/b/memory.max"), ("0::/a/b", "a/memory.max"), ("0::/", "memory.max"),
        ("5:memory:/a", "memory/a/memory.limit_in_bytes"), ("5:memory:/a\n0::/", "memory/memory.limit_in_bytes"),
    ],
)  # fmt: skip
def test_the_memory_of_a_control_group(own: str, file: str, tmp_path: Path) -> None:
    """Of this process's own and of those above it; no limit is `max`, or a number larger than the machine."""
    (tmp_path / "own").write_text(own + "\n")
    machine = time_and_memory_limits.machine_memory(tmp_path / "groups", tmp_path / "own")
    path = tmp_path / "groups" / file
    path.parent.mkdir(parents=True)
    for said, expected in (("max", machine), (str(2**62), machine), ("123456789", 123456789), ("-1", machine)):
        path.write_text(said + "\n")
        assert time_and_memory_limits.machine_memory(tmp_path / "groups", tmp_path / "own") == expected


def test_a_request_that_takes_too_long_is_told_what_to_do() -> None:
    told = Limits().refusal_of_time(90_000.0)
    assert told and "25 h" in told and "30 min" in told and "fewer images" in told and "RNC_LAB_SECONDS" in told
    assert Limits().refusal_of_time(1800.0) is None and Limits().refusal_of_time(None) is None
