"""Tests of addresses: a value that is not there is named and stays in the address; a store that is gone is called gone."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.ui import vanished_store
from rnc.ui.readonly import READONLY_VARIABLE
from tests.pages.app import open_page, seen
from tests.pages.test_run_picker import add_run

NASTY = "*no* [x](javascript:alert(1))"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs with the epochs 0 and 4, which tests only read."""
    path = tmp_path_factory.mktemp("two") / "rnc.duckdb"
    add_run(path, "one-st", objective="st", seed=1)
    add_run(path, "two-at", objective="at", seed=1)
    return path


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    return shutil.copyfile(store, tmp_path / store.name)


def warned(app: AppTest) -> str:
    return "\n".join(seen(element.value) for element in app.warning)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"epoch": "999"}, "Epoch 4 is shown"),
        ({"epoch": "3"}, "Epoch 0 is shown"),
        ({"epoch": "abc"}, "Epoch 4 is shown"),
        ({"condition": "pgd-linf-1-1"}, "not measured"),
        ({"condition": NASTY}, "not measured"),
        ({"split": "validation"}, "does not exist"),
    ],
)
@pytest.mark.parametrize("page", ["collapse", "findings"])
def test_a_value_that_is_not_there_is_named_and_stays(
    page: str, asked: dict[str, Any], named: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, store, monkeypatch, **asked)
    ((key, value),) = asked.items()
    assert value in warned(app) and named in warned(app) and len(app.warning) == 1
    assert app.query_params[key] == value and app.title
    app.run()
    assert value in warned(app) and app.query_params[key] == value, "it stays until the user chooses"


@pytest.mark.parametrize("asked", [{}, {"epoch": "last"}, {"epoch": "4"}, {"epoch": "0"}, {"split": "test"}])
def test_an_address_of_what_is_there_warns_of_nothing(
    asked: dict[str, Any], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", store, monkeypatch, **asked)
    assert not app.warning
    app.run()
    assert not app.warning


def test_a_choice_takes_the_place_of_what_is_not_there(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", store, monkeypatch, split="validation", epoch="999")
    app.sidebar.button_group(key="split").set_value("test").run()
    assert "validation" not in warned(app) and app.query_params["split"] == "test"
    app.sidebar.select_slider(key="epoch").set_value("0").run()
    assert not app.warning and app.query_params["epoch"] == "0" and app.sidebar.select_slider(key="epoch").value == "0"


def test_a_run_of_a_page_that_is_not_selected_is_named(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("geometry", store, monkeypatch, run=NASTY)
    assert NASTY in warned(app) and app.query_params["run"] == NASTY
    assert app.button_group(key="run").value in ("ST", "AT")


@pytest.mark.parametrize("text", ["two-at", "AT"])
def test_a_run_of_a_page_goes_by_its_label_or_its_id(text: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("geometry", store, monkeypatch, run=text)
    assert app.button_group(key="run").value == "AT" and not app.warning
    app.run()
    assert app.button_group(key="run").value == "AT" and app.query_params["run"] == "AT"


def test_the_label_of_an_earlier_version_names_its_run(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(own_store, "three-at", objective="at", seed=2)
    app = open_page("geometry", own_store, monkeypatch, runs=["one-st", "two-at", "three-at"], run="AT seed 2")
    assert app.button_group(key="run").value == "AT · seed 2" and not app.warning
    assert app.query_params["run"] == "AT · seed 2"


def test_conditions_that_are_not_there_are_named_beside_the_others(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", store, monkeypatch, conditions=["clean", "nothing"])
    assert "nothing" in warned(app) and "clean" not in warned(app)
    assert app.button_group(key="conditions").value == ["clean"]
    assert app.query_params["conditions"] == ["clean", "nothing"]


@pytest.mark.parametrize(
    ("page", "asked", "named"),
    [
        ("collapse", {"log": "banana"}, ["banana", "True"]),
        ("collapse", {"smoothing": "7"}, ["7", "smoothing"]),
        ("runs", {"only_dataset": "of another store"}, ["of another store", "nothing"]),
    ],
)
def test_what_no_control_of_a_page_has_is_named(
    page: str, asked: dict[str, Any], named: list[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(page, store, monkeypatch, **asked)
    assert len(app.warning) == 1 and all(text in warned(app) for text in named)
    assert not app.run().warning


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("collapse", {"log": "false", "smoothing": "0.5", "seeds": "true", "conditions": ["clean"], "unknown": "x"}),
        ("runs", {"only_objective": ["at", "st"], "only_text": "digits", "archived": "true", "config_of": "two-at"}),
    ],
)
def test_what_the_controls_of_a_page_have_is_not_named(
    page: str, asked: dict[str, Any], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not open_page(page, store, monkeypatch, **asked).warning


@pytest.mark.parametrize("gallery", [True, False])
def test_a_store_that_vanished_is_called_gone(gallery: bool, own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does the gallery stand in for it, nor is the user told to select a run."""
    if not gallery:
        monkeypatch.setenv("RNC_GALLERY", "")
    app = open_page("collapse", own_store, monkeypatch)
    away = own_store.rename(own_store.with_suffix(".away"))
    for opened in (app.run(), open_page("collapse", own_store, monkeypatch)):
        assert opened.title[0].value == "The store is gone" and str(own_store) in seen(opened.error[0].value)
        assert not opened.info and not opened.sidebar.multiselect
    away.rename(own_store)
    assert app.run().title[0].value == "Collapse over epochs" and not app.error


def test_the_selection_stays_in_the_address_while_the_store_is_away(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of page empties the address, because no control is drawn that is tied to it."""
    app = open_page("collapse", own_store, monkeypatch, runs="two-at", epoch="0", split="test", smoothing="0.5")
    away = own_store.rename(own_store.with_suffix(".away"))
    app.run()
    for page in ("layers", "geometry"):
        for key in list(app.query_params):
            del app.query_params[key]
        app.switch_page(f"pages/{page}.py").run()
        assert app.title[0].value == "The store is gone"
        asked = {"runs": "two-at", "epoch": "0", "split": "test"}
        assert {key: app.query_params[key] for key in app.query_params} == asked, "what is of one page is left out"
    away.rename(own_store)
    app.run()
    assert app.session_state["runs"] == ["two-at"] and app.session_state["epoch"] == "0"


def test_a_store_that_vanished_can_be_left(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_GALLERY", "")
    app = open_page("collapse", own_store, monkeypatch)
    own_store.unlink()
    app.run()
    app.button(key="forget_store").click().run()
    assert not app.exception and app.title[0].value == "No measurements yet"


def test_a_store_that_vanished_in_a_public_view(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    open_page("collapse", own_store, monkeypatch)
    own_store.unlink()
    app = open_page("collapse", own_store, monkeypatch)
    assert app.title[0].value == "The store is gone" and str(own_store.parent) not in seen(app.error[0].value)
    assert not app.button


def test_a_store_that_was_never_there_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_GALLERY", "")
    assert open_page("collapse", tmp_path / "new.duckdb", monkeypatch).title[0].value == "No measurements yet"
    assert tmp_path / "new.duckdb" not in vanished_store._seen
