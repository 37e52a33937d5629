"""A public view (RNC_READONLY=1) shows every page and attacks networks; it changes nothing, and offers nothing that would."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader
from rnc.ui import opened_store
from rnc.ui.readonly import READONLY_VARIABLE, ReadOnlyError, is_readonly
from rnc.ui.training_process import Training
from tests.pages.app import answered, open_page
from tests.pages.test_attack_lab import SMALL
from tests.pages.test_pages import PAGES

CHANGES = {"train_demo", "stop_training", "lab_keep", "lab_forget", "archive", "unarchive", "delete"} | {
    "train_demo_here",
    "resume_training",
    "resume_run",
    "dismiss_training",
    "archive_many",
    "unarchive_many",
    "delete_many",
}
"""The keys of all widgets that change something."""


@pytest.fixture(autouse=True)
def _public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READONLY_VARIABLE, "1")


def keys(app: AppTest) -> set[str]:
    """The keys of all buttons and inputs of a page."""
    kinds = ("button", "text_input", "text_area", "multiselect", "selectbox", "toggle", "checkbox")
    return {widget.key for kind in kinds for widget in app.get(kind) if widget.key}


@pytest.mark.parametrize("page", PAGES)
def test_no_page_offers_a_change(page: str, tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not keys(open_page(page, tiny_store, monkeypatch)) & CHANGES
    empty = open_page(page, tmp_path / "none.duckdb", monkeypatch)
    assert not keys(empty) & CHANGES and "public view" in empty.info[0].value


def test_a_folder_of_published_runs_is_shown(tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = StoreReader(tiny_store).runs.all()["run_id"][0]
    publish(tiny_store, run_id, tmp_path)
    app = open_page("runs", tmp_path, monkeypatch)
    assert list(app.dataframe[0].value["run_id"]) == [run_id]


def test_visitors_learn_no_folder_of_the_machine(own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [caption.value.replace("\\", "") for caption in open_page("runs", own_tiny_store, monkeypatch).caption]
    assert any(own_tiny_store.name in text for text in told)
    assert not any(str(own_tiny_store.parent) in text for text in told)
    for network in own_tiny_store.parent.rglob("*.safetensors"):
        network.unlink()
    error = open_page("attack_lab", own_tiny_store, monkeypatch, **SMALL).error[0].value.replace("\\", "")
    assert "epoch-0002.safetensors" in error and str(own_tiny_store.parent) not in error


def test_attacks_run_and_kept_results_open_as_ever(own_tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(READONLY_VARIABLE)
    app = open_page("attack_lab", own_tiny_store, monkeypatch, **SMALL)
    answered(app, "Attack")
    app.button(key="lab_keep").click().run()
    key = opened_store.reader().lab.results()["key"][0]
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    before = own_tiny_store.read_bytes()
    public = open_page("attack_lab", own_tiny_store, monkeypatch, **SMALL)
    answered(public, "Attack")
    assert not keys(public) & CHANGES
    opened = open_page("attack_lab", own_tiny_store, monkeypatch, lab_do="Kept", lab_kept=key[:12])
    assert opened.get("vega_lite_chart") and not keys(opened) & CHANGES
    assert own_tiny_store.read_bytes() == before


def test_what_is_offered_by_mistake_is_refused(tmp_path: Path) -> None:
    training = Training(tmp_path / "rnc.duckdb")
    for change in (opened_store.writer, lambda: training.start("demo"), training.stop):
        with pytest.raises(ReadOnlyError, match=READONLY_VARIABLE):
            change()
    assert not training.running and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("value", "public"), [("1", True), ("yes", True), ("?", True), ("0", False), (" ", False)])
def test_what_the_variable_says(value: str, public: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it to something wants it: only a clear no is none."""
    monkeypatch.setenv(READONLY_VARIABLE, value)
    assert is_readonly() is public
