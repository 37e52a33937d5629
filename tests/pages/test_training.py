"""Training from the pages: started, stopped, resumed; the state that is shown is the one that there is."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rnc.store.writer import StoreWriter
from rnc.ui import opened_store
from rnc.ui.training_process import Phase, Training
from rnc.vocabulary import RunState
from tests.pages.app import ROOT, open_page
from tests.rnc.store.hand_written import begin, one_epoch


class FakeTraining(Training):
    """A training without a process, which does what is asked and notes it."""

    can_resume, is_stop_overdue = True, False  # type: ignore[assignment]
    waited, log = 1.0, ""

    def __init__(self, store: Path) -> None:
        super().__init__(store)
        self.now, self.asked = Phase.IDLE, list[str]()

    phase = property(lambda self: self.now)  # type: ignore[assignment]
    running = property(lambda self: self.now in (Phase.RUNNING, Phase.STOPPING))  # type: ignore[assignment]
    exit_code_if_failed = property(lambda self: 1 if self.now is Phase.FAILED else None)  # type: ignore[assignment]
    seconds_since_start = property(lambda self: self.waited)  # type: ignore[assignment]

    def start(self, name: str) -> None:
        self.asked.append(f"start {name}")
        self.now = Phase.RUNNING

    def stop(self) -> None:
        self.asked.append("stop")
        self.now = Phase.STOPPING

    def start_last_again(self) -> None:
        self.asked.append("resume")
        self.now = Phase.RUNNING

    def dismiss_end(self) -> None:
        self.now = Phase.IDLE

    def log_tail(self) -> str:
        return self.log


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run and one that was stopped; tests only read it."""
    path = tmp_path_factory.mktemp("two") / "rnc.duckdb"
    for run_id, state, seed in (("done", RunState.FINISHED, 1), ("stopped-run", RunState.INTERRUPTED, 2)):
        begin(path, run_id, seed=seed).write_epoch(run_id, 0, one_epoch(run_id, 0))
        StoreWriter(path).end_run(run_id, state, 1.0)
    return path


@pytest.fixture
def training(store: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTraining:
    """The training of the app's store."""
    fake = FakeTraining(store)
    monkeypatch.setattr(opened_store, "training", lambda: fake)
    return fake


def said(app: AppTest) -> str:
    progress = [element.proto.text for element in app.get("progress")]
    return " ".join([*(caption.value for caption in app.caption), *progress])


def label(app: AppTest, key: str) -> str | None:
    """The label of a button; None if there is none with this key, with an exclamation mark if it cannot be clicked."""
    found = [button for button in app.button if button.key == key]
    return found[0].label + "!" * found[0].disabled if found else None


def test_the_demo_starts_and_says_so_at_once(
    store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("runs", store, monkeypatch)
    app.button(key="train_demo_here").click().run()
    assert training.asked == ["start demo"] and not app.exception
    assert "Starting the training" in said(app) and "after about half a minute" in said(app)
    assert label(app, "stop_training") == label(app, "stop_training_here") == "Stop training"
    assert label(app, "train_demo_here") is None
    assert "log" not in said(app)
    training.waited, training.log = 40.0, "downloading *everything*"
    text = said(app.run())
    assert "Started 40 s ago" in text and r"downloading \*everything\*" in text


def test_stop_answers_at_once_and_says_when_it_is_done(
    store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.now = Phase.RUNNING
    app = open_page("collapse", store, monkeypatch)
    app.button(key="stop_training").click().run()
    assert training.asked == ["stop"]
    assert label(app, "stop_training") == "Stopping …!" and "write what they have measured" in said(app)
    training.is_stop_overdue = True
    assert label(app.run(), "stop_training") == "Stop again"
    training.now = Phase.STOPPED
    assert label(app.run(), "stop_training") is None and "The training is stopped" in said(app)
    app.button(key="resume_training").click().run()
    assert training.asked == ["stop", "resume"] and label(app, "stop_training") == "Stop training"


def test_a_training_that_failed_shows_the_end_of_its_log(
    store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.now, training.log = Phase.FAILED, "error: no space left"
    app = open_page("collapse", store, monkeypatch)
    assert "The training failed. All measured epochs are kept." in said(app) and "exit code 1." in said(app)
    assert app.sidebar.code[0].value == "error: no space left"
    assert label(app, "resume_training") == "Try again"
    app.button(key="dismiss_training").click().run()
    assert "failed" not in said(app) and label(app, "resume_training") is None


@pytest.mark.parametrize("phase", [Phase.STOPPED, Phase.FAILED])
@pytest.mark.parametrize("gallery", [True, False])
def test_a_training_that_ended_before_its_first_epoch_is_resumed_by_one_button(
    phase: Phase, gallery: bool, tmp_path: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was measured, and no second button would train the demo."""
    training.now = phase
    if gallery:
        monkeypatch.setenv("RNC_GALLERY", str(ROOT / "data" / "gallery"))
    app = open_page("findings", tmp_path / "other.duckdb", monkeypatch)
    assert "No epoch had been measured yet." in said(app) and "kept" not in said(app)
    assert label(app, "resume_training") == ("Resume training" if phase is Phase.STOPPED else "Try again")
    assert label(app, "train_demo") is None
    app.button(key="dismiss_training").click().run()
    assert label(app, "train_demo") == "Train the demo" and "No epoch had been" not in said(app)


def test_what_prevents_a_start_is_shown(store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_name: str) -> None:
        raise OSError("no space left on *device*")

    monkeypatch.setattr(training, "start", refuse)
    app = open_page("runs", store, monkeypatch)
    app.button(key="train_demo_here").click().run()
    assert not app.exception and "no space left on" in app.error[0].value
    assert not app.run().error


def test_a_change_of_the_state_draws_the_page_anew(
    store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The buttons are outside the fragment that looks for news: the fragment asks for a rerun of the page."""
    from rnc.ui.training_status import content_of_pages

    monkeypatch.setenv("RNC_STORE", str(store))
    before = content_of_pages()
    training.now = Phase.RUNNING
    assert content_of_pages() != before


@pytest.mark.parametrize(
    ("run_id", "phase", "shown"),
    [("stopped-run", Phase.IDLE, "Resume"), ("stopped-run", Phase.RUNNING, "Resume!"), ("done", Phase.IDLE, None)],
)
def test_a_stopped_run_can_be_resumed_from_its_panel(
    run_id: str, phase: Phase, shown: str | None, store: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.now = phase
    app = open_page("runs", store, monkeypatch, config_of=run_id)
    assert label(app, "resume_run") == shown
    if shown == "Resume":
        app.button(key="resume_run").click().run()
        assert training.asked == [f"start {run_id}"] and label(app, "stop_training") == "Stop training"


def test_progress_says_how_much_is_left(
    store: Path, tmp_path: Path, training: FakeTraining, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copyfile(store, tmp_path / store.name)
    begin(own, "under-way", seed=3)
    app = open_page("collapse", own, monkeypatch)
    assert "ST: epoch 0 of 4, measuring the untrained network" in said(app)
    StoreWriter(own).heartbeat("under-way", 1)
    rows = one_epoch("under-way", 1)
    rows.add("epoch", run_id="under-way", epoch=1, learning_rate=0.1, train_loss=1.0, train_seconds=20.0)
    StoreWriter(own).write_epoch("under-way", 1, rows)
    assert "ST: epoch 1 of 4, about 60 s left" in said(app.run())
