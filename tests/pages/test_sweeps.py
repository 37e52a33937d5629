"""The runs page says how far the sweeps of its store are."""

import json
from pathlib import Path

import pytest

from rnc.store.reader import StoreReader
from rnc.store.sweep_state import PlannedRun, Sweep
from tests.pages.app import open_page, seen


def test_progress_is_on_the_runs_page(own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not open_page("runs", own_tiny_store, monkeypatch).get("progress")
    run = StoreReader(own_tiny_store).runs.all().iloc[0]
    planned = PlannedRun(json.loads(run["config"]), 2, 1.0)
    Sweep("tiny-1", "slurm", {}, {run["run_id"]: planned, "other": planned}).save(own_tiny_store)
    (shown,) = open_page("runs", own_tiny_store, monkeypatch).get("progress")
    assert shown.proto.value == 50 and shown.proto.text == "tiny-1 on slurm: 1 of 2 finished, 1 waiting"


def test_a_sweep_that_makes_no_sense_is_named_and_left_out(
    own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StoreReader(own_tiny_store).runs.all().iloc[0]
    Sweep("tiny-1", "slurm", {}, {run["run_id"]: PlannedRun(json.loads(run["config"]), 2, 1.0)}).save(own_tiny_store)
    folder = own_tiny_store.parent / "sweeps" / "![x](https://example.org)".replace("/", "")
    folder.mkdir()
    (folder / "sweep.json").write_text('{"name": 1}')
    app = open_page("runs", own_tiny_store, monkeypatch)
    (told,) = [caption.value for caption in app.caption if "left out" in caption.value]
    assert seen(told).startswith("sweep '![x](https:example.org)' is left out: ")
    assert [shown.proto.value for shown in app.get("progress")] == [100]
