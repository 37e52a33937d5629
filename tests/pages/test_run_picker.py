"""The field of runs: short labels, ids in the address, and colours that stay."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.ui.charts.palette import RUN_COLOURS
from rnc.vocabulary import RunState
from tests.pages.app import charts, open_page
from tests.rnc.store.hand_written import begin, one_epoch


def add_run(store: Path, run_id: str, **config: Any) -> None:
    """Write a finished run with two epochs."""
    writer = begin(store, run_id, **config)
    for epoch in (0, 4):
        writer.write_epoch(run_id, epoch, one_epoch(run_id, epoch))
    writer.end_run(run_id, RunState.FINISHED, 1.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four finished runs: two objectives, the second with two seeds, and one with a name. Tests only read it."""
    path = tmp_path_factory.mktemp("four") / "rnc.duckdb"
    add_run(path, "one-st", objective="st", seed=1)
    add_run(path, "two-at", objective="at", seed=1)
    add_run(path, "three-at", objective="at", seed=2)
    add_run(path, "four-own", objective="own", seed=1, own={"name": "baseline"})
    return path


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may change."""
    return shutil.copyfile(store, tmp_path / store.name)


@pytest.fixture(autouse=True)
def _no_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_GALLERY", "")


def picker(app: AppTest) -> Any:
    return app.sidebar.multiselect(key="run_picker")


def chips(app: AppTest) -> list[str]:
    """The texts on the chips, which are those that the browser sends."""
    return list(picker(app).values)


def drawn_colours(app: AppTest) -> dict[str, str]:
    """The colours of the lines of the first chart, by the name of the colour."""
    spec = next(iter(charts(app).values()))["spec"]
    scale = next(layer["encoding"]["color"]["scale"] for layer in spec["layer"] if "color" in layer.get("encoding", {}))
    names = {colour: name for name, colour in RUN_COLOURS.items()}
    return {label: names[colour] for label, colour in zip(scale["domain"], scale["range"], strict=True)}


def test_chips_are_short_and_the_list_describes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", store, monkeypatch, runs=["one-st", "two-at"])
    assert chips(app) == ["ST", "AT"]
    described = [text for text in picker(app).options if text not in ("ST", "AT")]
    assert all(" · digits · " in text and " · seed " in text for text in described)
    assert any(text.startswith("baseline · ") for text in described)
    assert any(text.startswith("AT · digits · ε ") and text.endswith(" · this store") for text in described)
    assert "one-st" in picker(app).help and "two-at" in picker(app).help
    assert "three-at" not in picker(app).help


def test_a_label_that_changes_loses_no_run(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser sends a description, the answer is a label, and another run's label changes with it: all runs stay."""
    app = open_page("collapse", store, monkeypatch, runs=["one-st", "two-at"])
    picker(app).select("three-at").run()
    assert not app.exception and picker(app).value == ["one-st", "two-at", "three-at"]
    assert chips(app) == ["ST", "AT · seed 1", "AT · seed 2"]
    assert app.query_params["runs"] == ["one-st", "two-at", "three-at"]
    picker(app).unselect("two-at").run()
    assert chips(app) == ["ST", "AT"] and app.query_params["runs"] == ["one-st", "three-at"]


def test_the_run_of_a_page_stays_chosen_when_its_label_changes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("geometry", store, monkeypatch, runs=["one-st", "two-at"], run="AT")
    assert app.button_group(key="run").value == "AT"
    picker(app).select("three-at").run()
    assert app.button_group(key="run").value == "AT · seed 1"


def test_the_default_runs_are_in_the_address_and_stay_when_there_is_a_newer_run(
    own_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("collapse", own_store, monkeypatch)
    before, address = drawn_colours(app), app.query_params
    assert sorted(address["runs"]) == sorted(picker(app).value) and len(before) == len(address["runs"])
    add_run(own_store, "newer-st", objective="st", seed=7)
    add_run(own_store, "newer-at", objective="at", seed=7)
    again = open_page("collapse", own_store, monkeypatch, **address)
    assert picker(again).value == picker(app).value and drawn_colours(again) == before
    assert "newer-st" in picker(open_page("collapse", own_store, monkeypatch)).value, "a fresh visit shows the newest"


def test_default_runs_follow_the_store_until_the_user_selects(own_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", own_store, monkeypatch)
    add_run(own_store, "trades", objective="trades", seed=1)
    app.run()
    assert "trades" in picker(app).value and "trades" in app.query_params["runs"]
    picker(app).set_value(["one-st"]).run()
    add_run(own_store, "released", objective="trades-released", seed=1)
    app.run()
    assert picker(app).value == ["one-st"]


def test_a_run_keeps_its_colour_whatever_else_is_selected(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", store, monkeypatch, runs=["one-st", "two-at"])
    assert drawn_colours(app) == {"ST": "blue", "AT": "orange"} and "colours" not in app.query_params
    picker(app).set_value(["two-at"]).run()
    assert drawn_colours(app) == {"AT": "orange"}
    picker(app).set_value(["three-at", "two-at", "one-st"]).run()
    app.toggle(key="seeds").set_value(False).run()
    assert drawn_colours(app) == {"AT · seed 2": "sky blue", "AT · seed 1": "orange", "ST": "blue"}
    again = open_page("collapse", store, monkeypatch, **app.query_params | {"seeds": "false"})
    assert drawn_colours(again) == drawn_colours(app), "the address shows the same colours"
    assert again.query_params["colours"] == app.query_params["colours"]


def test_a_chosen_colour_is_on_every_page_and_in_the_address(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", store, monkeypatch, runs=["one-st", "two-at"])
    app.sidebar.selectbox(key="colour_of_1").set_value("orange").run()
    assert drawn_colours(app) == {"ST": "orange", "AT": "blue"} and not app.exception
    elsewhere = open_page("collapse", store, monkeypatch, **app.query_params)
    assert drawn_colours(elsewhere) == {"ST": "orange", "AT": "blue"}
    app.switch_page("pages/geometry.py").run()
    assert app.sidebar.selectbox(key="colour_of_1").value == "orange"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "#ff0000;}", "z" * 5_000])
def test_colours_of_a_hostile_address_are_ours(text: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("collapse", store, monkeypatch, runs=["one-st", "two-at"], colours=text)
    assert list(drawn_colours(app)) == ["ST", "AT"]
    assert all(text not in str(html.proto.body) for html in app.get("html"))
