"""The networks that a sweep compares: those of the selected runs, without a choice; other epochs on request."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.lab.request_base import Request
from rnc.lab.strength_curve import MOST_NETWORKS
from rnc.store.writer import StoreWriter
from rnc.ui.lab import server_job_queue
from rnc.vocabulary import RunState
from tests.pages.app import open_page, seen
from tests.rnc.store.hand_written import begin, one_epoch

OBJECTIVES = {"one-st": "st", "two-at": "at", "three-trades": "trades", "four-trades": "trades-released"}
EPOCHS = (0, 4)


def add_run(path: Path, run_id: str, **config: Any) -> None:
    """A finished run with a stored network at each epoch."""
    writer = begin(path, run_id, **config)
    for epoch in EPOCHS:
        file = path.parent / "checkpoints" / run_id / f"epoch-{epoch:04d}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{run_id} {epoch}".encode())
        rows, digest = one_epoch(run_id, epoch), hashlib.sha256(file.read_bytes()).hexdigest()
        rows.add("checkpoint", run_id=run_id, epoch=epoch, path=str(file.relative_to(path.parent)), sha256=digest)
        writer.write_epoch(run_id, epoch, rows)
    StoreWriter(path).end_run(run_id, RunState.FINISHED, 1.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of four objectives, and one of another data set; tests only read it."""
    path = tmp_path_factory.mktemp("five") / "rnc.duckdb"
    for run_id, objective in OBJECTIVES.items():
        add_run(path, run_id, objective=objective)
    add_run(path, "other-data", objective="st", dataset="mnist")
    return path


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that were submitted; none is run."""
    submitted: list[Request] = []
    monkeypatch.setattr(server_job_queue, "submit", lambda request: submitted.append(request))
    return submitted


def sweep(store: Path, monkeypatch: pytest.MonkeyPatch, *runs: str, **address: Any) -> AppTest:
    return open_page("attack_lab", store, monkeypatch, runs=list(runs), lab_do="Sweep", **address)


def compared(app: AppTest, requests: list[Request]) -> list[tuple[str, int]]:
    """The run and epoch of each network of the sweep that the button starts."""
    app.button(key="lab_run_Sweep").click().run()
    assert not app.exception
    return [(source.run_id, source.epoch) for source in requests[-1].sources]


def test_all_selected_runs_are_compared_at_the_epoch_of_the_sidebar(
    store: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    app = sweep(store, monkeypatch, "one-st", "two-at", "three-trades")
    assert app.pills(key="lab_with").options == ["AT", "TRADES"] == app.pills(key="lab_with").value
    assert compared(app, requests) == [("one-st", 4), ("two-at", 4), ("three-trades", 4)]
    early = sweep(store, monkeypatch, "one-st", "two-at", epoch="3")
    assert compared(early, requests) == [("one-st", 0), ("two-at", 0)]


def test_a_run_that_is_left_out_stays_out(
    store: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    """When another run is attacked, and when one more is selected; the others are compared."""
    app = sweep(store, monkeypatch, "one-st", "two-at", "three-trades")
    app.pills(key="lab_with").set_value(["AT"]).run()
    assert compared(app, requests) == [("one-st", 4), ("two-at", 4)]
    app.segmented_control(key="run").set_value("AT").run()
    assert compared(app, requests) == [("two-at", 4), ("one-st", 4)]
    app.sidebar.multiselect(key="run_picker").set_value([*OBJECTIVES]).run()
    assert compared(app, requests) == [("two-at", 4), ("one-st", 4), ("four-trades", 4)]


def test_runs_of_other_images_are_not_offered(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = sweep(store, monkeypatch, "one-st", "two-at", "other-data")
    assert [seen(label) for label in app.pills(key="lab_with").options] == ["AT · digits"]
    alone = sweep(store, monkeypatch, "other-data", "one-st")
    assert not alone.pills and len(alone.multiselect(key="lab_epochs").options) == 1


def test_other_epochs_are_compared_on_request(
    store: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    app = sweep(store, monkeypatch, "one-st", "two-at")
    epochs = app.multiselect(key="lab_epochs")
    assert epochs.value == [] and set(epochs.options) == {"ST · epoch 0", "AT · epoch 0"}
    epochs.select("ST · epoch 0").run()
    assert compared(app, requests) == [("one-st", 4), ("two-at", 4), ("one-st", 0)]
    assert "Other epochs · 1" in [block.proto.popover.label for block in app.main.get("popover")]


def test_an_address_of_an_earlier_version_compares_what_it_names(
    store: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    """It has the epoch of each network, and names no others."""
    named = ["AT · epoch 4", "ST · epoch 0", "gone · epoch *9*"]
    app = sweep(store, monkeypatch, "one-st", "two-at", "three-trades", lab_other=named)
    assert "gone · epoch *9*" in seen(app.warning[0].value)
    assert compared(app, requests) == [("one-st", 4), ("two-at", 4), ("one-st", 0)]
    assert "lab_other" not in app.query_params and app.query_params["lab_with"] in ("AT", ["AT"])


def test_the_address_has_what_is_left_out(
    store: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    app = sweep(store, monkeypatch, "one-st", "two-at", "three-trades", lab_with=["TRADES"])
    assert compared(app, requests) == [("one-st", 4), ("three-trades", 4)]
    none = sweep(store, monkeypatch, "one-st", "two-at", lab_with="")
    assert compared(none, requests) == [("one-st", 4)]


def test_at_most_as_many_as_a_sweep_can_have_are_chosen_at_first(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: list[Request]
) -> None:
    own = shutil.copytree(store.parent, tmp_path / "own") / store.name
    for seed in range(2, MOST_NETWORKS + 2):
        add_run(own, f"at-{seed}", objective="at", seed=seed)
    more = [f"at-{seed}" for seed in range(2, MOST_NETWORKS + 2)]
    app = sweep(own, monkeypatch, "one-st", "two-at", *more)
    assert len(app.pills(key="lab_with").options) == MOST_NETWORKS + 1
    assert len(compared(app, requests)) == MOST_NETWORKS
