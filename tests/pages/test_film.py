"""The film page: films of the selected runs, and what the player reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from rnc.ui.film import film_routes
from rnc.ui.film.film_player import MOST_SAMPLES
from rnc.vocabulary import Objective, Split
from tests.pages.app import open_page


def sent(app: AppTest) -> dict[str, Any]:
    """Return the data that the page sends to the film's player."""
    components = [element.proto for element in app._tree if getattr(element, "type", "") == "bidi_component"]
    found = [proto for proto in components if proto.component_name == "rnc_film"]
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0].json)
    return data


def requests(app: AppTest) -> list[film_routes.OfferedFilm]:
    """The films that the page offers."""
    keys = [film["address"].split("/")[1] for film in sent(app)["films"]]
    offered = [film_routes.offers.get(key) for key in keys]
    assert None not in offered
    return [film for film in offered if film is not None]


def test_standard_training_is_beside_adversarial_training(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("film", demo_store, monkeypatch)
    data, films = sent(app), requests(app)
    assert [film["label"] for film in data["films"]] == ["ST", "AT"]
    assert [f"-{objective}-" in film.request.run_id for film, objective in zip(films, Objective, strict=False)] == [
        True,
        True,
    ]
    assert {(film.request.split, film.request.most) for film in films} == {(Split.TRAIN, MOST_SAMPLES)}
    assert films[0].classes == tuple(map(str, range(10))) and len(data["colours"]) == 10 and data["epoch"] == 60


def test_the_address_chooses_the_film(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"run": "TRADES", "film_beside": "none", "split": "test", "epoch": "10", "picked": "3.5"}
    app = open_page("film", demo_store, monkeypatch, **options)
    (film,) = requests(app)
    assert "trades" in film.request.run_id and film.request.split == Split.TEST
    assert sent(app)["epoch"] == 10 and sent(app)["picked"] == [3, 5]


def test_the_condition_is_the_sidebars(demo_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (noise, _other) = requests(open_page("film", demo_store, monkeypatch, condition="gaussian"))
    assert noise.request.condition.startswith("gaussian")


def test_a_single_run_has_nothing_beside_it(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(requests(open_page("film", tiny_store, monkeypatch))) == 1
