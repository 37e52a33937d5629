"""The first screen: what this is, a film with its numbers, and three doors, on every kind of store."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.store.reader import StoreReader
from rnc.ui.film import film_routes
from rnc.ui.readonly import READONLY_VARIABLE
from rnc.ui.training_process import Training
from rnc.vocabulary import Metric, Split
from tests.conftest import ROOT
from tests.pages.app import changed_store, open_page

GALLERY = ROOT / "data" / "gallery"


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Show the gallery beside the store, and return the ids of its runs."""
    monkeypatch.setenv("RNC_GALLERY", str(GALLERY))
    return [folder.name for folder in GALLERY.iterdir() if folder.is_dir()]


def film(app: AppTest) -> dict[str, Any] | None:
    """Return the data that the page sends to the film's player, or None if it draws no film."""
    components = [element.proto for element in app._tree if getattr(element, "type", "") == "bidi_component"]
    found = [proto for proto in components if proto.component_name == "rnc_film"]
    return json.loads(found[0].json) if found else None


def filmed_runs(app: AppTest) -> list[str]:
    """The runs of the page's film."""
    sent = film(app)
    assert sent is not None
    offered = [film_routes.offers.get(one["address"].split("/")[1]) for one in sent["films"]]
    return [one.request.run_id for one in offered if one is not None]


def texts(app: AppTest) -> str:
    return " ".join(element.value for kind in ("markdown", "caption", "info") for element in app.get(kind))


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if button.key}


def test_an_empty_store_shows_the_gallery_and_offers_the_demo(
    gallery: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", tmp_path / "none.duckdb", monkeypatch)
    assert set(app.multiselect(key="runs").value) <= set(gallery)
    assert "late in training" in texts(app) and "a little so that the network makes" in texts(app)
    standard, adversarial = filmed_runs(app)
    assert "-st-" in standard and "-at-" in adversarial
    assert app.button(key="train_demo").label == "Train the demo" and "about 5 minutes" in texts(app)
    assert "train.measure" in " ".join(code.value for code in app.code)


def test_the_caption_of_the_film_has_the_numbers_of_its_runs(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, reader = open_page("findings", demo_store, monkeypatch), StoreReader(demo_store)
    values = reader.metrics.last_values([Metric.NC1, Metric.ACCURACY], Split.TRAIN)
    for run_id in filmed_runs(app):
        roles = reader.runs.conditions([run_id]).set_index("shown")["condition"]
        for condition in (roles["clean"], roles["perturbed"]):
            own = values[(values["run_id"] == run_id) & (values["condition"] == condition)]
            own = own[own["means"] == "own"]
            nc1 = own[own["metric"] == Metric.NC1]["value"].iloc[0]
            assert f"{nc1:.3g}" in texts(app)
    assert "the attack breaks up its clusters" in texts(app) and "its clusters stay together" in texts(app)
    assert film(app)["is_compact"] is True


def test_a_demo_in_the_store_is_shown_in_place_of_the_gallery_and_is_not_offered_again(
    gallery: list[str], demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch)
    assert not set(app.multiselect(key="runs").value) & set(gallery)
    assert "train_demo" not in keys(app) and "The demo has been trained" in texts(app)
    app.button(key="show_gallery").click().run()
    assert app.multiselect(key="runs").value and set(app.multiselect(key="runs").value) <= set(gallery)
    app.button(key="show_demo").click().run()
    assert len(app.multiselect(key="runs").value) == 3


def test_a_demo_under_way_leaves_the_gallery_selected_until_its_runs_are_done(
    gallery: list[str], demo_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = changed_store(demo_store, tmp_path, under_way="at")
    with_young = changed_store(store, tmp_path / "st", under_way="st")
    app = open_page("findings", with_young, monkeypatch)
    selected = app.multiselect(key="runs").value
    assert [run_id for run_id in selected if run_id not in gallery] == [
        run_id for run_id in StoreReader(store).runs.all()["run_id"] if "-trades-" in run_id
    ]
    assert "train_demo" not in keys(app) and "A training is under way" in texts(app)
    assert "contradicted" not in " ".join(app.table[0].value.get("AT", [])), "the gallery's AT"
    app.button(key="watch_training").click().run()
    young = app.multiselect(key="runs").value
    assert len(young) == 2 and not set(young) & set(gallery)
    cells = {cell for label in app.table[0].value for cell in app.table[0].value[label]}
    assert not any("contradicted" in cell or "supported" in cell for cell in cells) and "too early" in cells


def test_runs_join_the_selection_when_they_are_done_unless_the_visitor_has_chosen(
    gallery: list[str], demo_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = changed_store(changed_store(demo_store, tmp_path, under_way="at"), tmp_path / "st", under_way="st")
    for chooses in (False, True):
        app = open_page("collapse", begun, monkeypatch)
        before = app.multiselect(key="runs").value
        if chooses:
            app.multiselect(key="runs").set_value(before[:1]).run()
        monkeypatch.setenv("RNC_STORE", str(demo_store))
        app.run()
        after = app.multiselect(key="runs").value
        assert after == before[:1] if chooses else set(after) == set(StoreReader(demo_store).runs.all()["run_id"])


def test_the_demo_is_started_from_its_door(gallery: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(Training, "start", lambda self, recipe: begun.append(recipe))
    app = open_page("findings", tmp_path / "none.duckdb", monkeypatch)
    app.button(key="train_demo").click().run()
    assert begun == ["demo"]


def test_a_public_view_offers_no_training(gallery: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(READONLY_VARIABLE, "1")
    app = open_page("findings", tmp_path / "none.duckdb", monkeypatch)
    assert "train_demo" not in keys(app) and "This public view trains nothing" in texts(app)
    assert len(filmed_runs(app)) == 2


def test_a_closed_introduction_stays_closed_on_the_way_to_another_page_and_costs_nothing(
    demo_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("findings", demo_store, monkeypatch, introduction="false")
    assert film(app) is None and "late in training" not in texts(app) and not keys(app) & {"show_demo", "train_demo"}
    assert app.table, "the verdicts are there"
    app.switch_page("pages/collapse.py").run()
    app.switch_page("pages/findings.py").run()
    assert film(app) is None


def test_without_a_pair_of_runs_there_is_no_film(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", tiny_store, monkeypatch)
    assert film(app) is None and "late in training" in texts(app)


def test_without_a_pair_of_runs_the_gallery_has_the_film(
    gallery: list[str], tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_id,) = StoreReader(tiny_store).runs.all()["run_id"]
    app = open_page("findings", tiny_store, monkeypatch, runs=[run_id])
    assert set(filmed_runs(app)) <= set(gallery) and "from the built-in gallery" in texts(app)


def test_an_empty_store_without_a_gallery_says_what_this_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("findings", tmp_path / "none.duckdb", monkeypatch)
    assert "late in training" in app.markdown[0].value and "Bring your own network" in texts(app)
    assert any("Terminal phase" in element.value for element in app.sidebar.markdown)
