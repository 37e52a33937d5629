"""The files of films by address: a page offers a film, and the browser requests its states, its views and the player.

Tested by tests/rnc/ui/film/test_film_routes.py.
"""

from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rnc import event_log
from rnc.film.film_files import states_file, view_file
from rnc.film.stored_states import FilmRequest
from rnc.film.views import View
from rnc.store.errors import StoreError
from rnc.ui.film.player_script import PLAYER_NAME, player_script
from rnc.ui.opened_store import cached_until_store_changes, reader
from rnc.ui.random_addresses import FILM_FOLDER, Offers, add_base_path

_SECONDS_IN_BROWSER = 86_400
_VERTICES = 3
"""The number of class means that span a plane."""


@dataclass(frozen=True)
class OfferedFilm:
    """A film that a page has drawn."""

    request: FilmRequest
    classes: tuple[str, ...]
    """The names of the classes, in the order of their labels."""
    epochs: tuple[int, ...] = ()
    """The epochs whose features are stored: a film has a new address when another epoch is."""


offers: Offers[OfferedFilm] = Offers(most=64)
"""The films that were drawn last."""


def offer(film: OfferedFilm) -> str:
    """Allow requests for a film; return the address, relative to the pages, to which the name of a file is appended."""
    return f"{FILM_FOLDER}/{offers.offer(film)}/"


def routes() -> list[Route]:
    """Return the routes of films and of their player, for `st.App`."""
    return [
        Route(add_base_path(f"{FILM_FOLDER}/{PLAYER_NAME}"), _answer_player, methods=["GET"]),
        Route(add_base_path(f"{FILM_FOLDER}/{{key}}/states"), _answer, methods=["GET"]),
        Route(add_base_path(f"{FILM_FOLDER}/{{key}}/view/{{view}}"), _answer, methods=["GET"]),
    ]


def _answer(request: Request) -> Response:
    """Return a file of an offered film; status 404 for any other, and 422 with the reason if it cannot be made."""
    film, view = offers.get(request.path_params["key"]), request.path_params.get("view")
    if film is None:
        return Response("This film is no longer offered. Reload the page.", 404)
    try:
        content = _file(film, view)
    except (ValueError, StoreError) as error:
        return Response(f"This film has no such view: {error}.", 422, media_type="text/plain")
    except Exception as error:
        reference = event_log.log_exception(error)
        return Response(f"This film cannot be shown, because of an error in this program (log entry {reference}).", 500)
    return Response(content, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _answer_player(_request: Request) -> Response:
    headers = {"Cache-Control": f"public, max-age={_SECONDS_IN_BROWSER}"}
    return Response(player_script(), media_type="text/javascript", headers=headers)


def _file(film: OfferedFilm, view: str | None) -> bytes:
    """Return the file of a view, or of the states; those who request the same film at once wait for one to make it."""
    with _lock_of(film), reader().kept_open():
        return _states(film) if view is None else _view(film, View.from_name(view))


@lru_cache(maxsize=64)
def _lock_of(_film: OfferedFilm) -> Lock:
    return Lock()


def prepare_compact_player(film: OfferedFilm) -> None:
    """Make the files that the small player of the home page requests, and keep them."""
    _file(film, None)
    if len(film.classes) >= _VERTICES:
        _file(film, "span-0-1-2")


@cached_until_store_changes
def _states(film: OfferedFilm) -> bytes:
    return states_file(reader(), film.request, list(film.classes))


@cached_until_store_changes
def _view(film: OfferedFilm, view: View) -> bytes:
    return view_file(reader(), film.request, list(film.classes), view)
