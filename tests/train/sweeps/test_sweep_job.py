"""How a job deals out GPUs, and what it starts."""

from pathlib import Path

import pytest

from train.sweeps.sweep_job import SweepJob


def job(gpus: int, ranks: int) -> SweepJob:
    return SweepJob(Path("rnc.duckdb"), {}, 4, ranks, gpus, None, requeues=False)


@pytest.mark.parametrize(
    ("ranks", "dealt"),
    [(1, ["2", "3", "5", "7"]), (2, ["2,3", "5,7", "2,3", "5,7"]), (3, ["2,3,5", "7,2,3", "5,7,2", "3,5,7"])],
)
def test_slots_get_gpus_in_turn(ranks: int, dealt: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5,7")
    assert [job(4, ranks)._gpus_of(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(4)] == dealt


@pytest.mark.parametrize(("gpus", "ranks"), [(0, 1), (1, 1), (4, 4)])
def test_where_all_are_needed_nothing_is_dealt(gpus: int, ranks: int) -> None:
    assert job(gpus, ranks)._gpus_of(3) == {}
