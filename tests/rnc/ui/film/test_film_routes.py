"""The files of films by address: those of offered films, and reasons in words where there is none."""

from pathlib import Path

import pytest

from rnc.film.film_files import states_file, view_file
from rnc.film.stored_states import FilmRequest
from rnc.film.views import View
from rnc.store.reader import StoreReader
from rnc.ui.film import film_routes
from rnc.ui.film.film_routes import OfferedFilm, offer
from rnc.ui.film.player_script import PLAYER_NAME, player_script
from rnc.ui.random_addresses import FILM_FOLDER, Offers
from rnc.vocabulary import Split
from tests.rnc.film.test_positions import run_of
from tests.rnc.ui.route_requests import Answer, ask

CLASSES = tuple(map(str, range(10)))


def get(path: str) -> Answer:
    return ask(film_routes.routes(), path)


@pytest.fixture
def film(tiny_store: Path, monkeypatch: pytest.MonkeyPatch) -> OfferedFilm:
    monkeypatch.setenv("RNC_STORE", str(tiny_store))
    monkeypatch.setattr(film_routes, "offers", Offers(most=64))
    run_id, attack = run_of(tiny_store)
    return OfferedFilm(FilmRequest(run_id, Split.TRAIN, attack, 50), CLASSES)


def test_an_offered_film_is_answered(film: OfferedFilm, tiny_store: Path) -> None:
    address, reader = offer(film), StoreReader(tiny_store)
    assert get(f"/{address}states").content == states_file(reader, film.request, list(CLASSES))
    for name in ("pca", "span-3-1-2"):
        answer = get(f"/{address}view/{name}")
        assert answer.status == 200 and answer.content == view_file(
            reader, film.request, list(CLASSES), View.from_name(name)
        )


def test_equal_films_have_one_address(film: OfferedFilm) -> None:
    assert offer(film) == offer(OfferedFilm(film.request, CLASSES)) != offer(OfferedFilm(film.request, CLASSES[:9]))


@pytest.mark.parametrize("path", ["states", "view/pca"])
def test_a_film_that_no_page_drew_is_not_answered(path: str, film: OfferedFilm) -> None:
    offer(film)
    assert get(f"/{FILM_FOLDER}/guessed/{path}").status == 404


@pytest.mark.parametrize(
    ("view", "reason"),
    [("tsne", b"there is no view"), ("span-0-1-10", b"10 classes"), ("span-..-1-2", b"there is no view")],
)
def test_a_view_that_cannot_be_made_says_why(view: str, reason: bytes, film: OfferedFilm) -> None:
    answer = get(f"/{offer(film)}view/{view}")
    assert answer.status == 422 and reason in answer.content


def test_an_error_of_the_program_has_an_entry_in_the_log(film: OfferedFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_routes, "_states", lambda _film: 1 // 0)
    answer = get(f"/{offer(film)}states")
    assert answer.status == 500 and b"log entry" in answer.content and b"ZeroDivision" not in answer.content


def test_the_player_is_one_module(film: OfferedFilm) -> None:
    answer = get(f"/{FILM_FOLDER}/{PLAYER_NAME}")
    assert answer.content.decode() == player_script() and "text/javascript" in answer.headers["content-type"]
    lines = player_script().splitlines()
    assert not [line for line in lines if line.startswith("import ")], "modules are joined"
    assert [line for line in lines if line.startswith("export ")] == ["export { mountComponent, unmountComponent };"]
    names = [line.split()[1].split("(")[0] for line in lines if line.startswith(("function ", "class ", "const "))]
    assert len(names) == len(set(names)), "no two modules give one name to two things"
