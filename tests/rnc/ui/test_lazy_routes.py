"""Routes that are loaded late are loaded once, by the first request, and answer as if they had been there from the beginning."""

import threading
from collections.abc import Sequence

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from streamlit import config

from rnc.ui.lazy_routes import LazyRoutes
from rnc.ui.random_addresses import add_base_path
from tests import event_loop
from tests.rnc.ui.route_requests import ask


def _routes(loads: list[str]) -> list[BaseRoute]:
    def load() -> Sequence[BaseRoute]:
        loads.append("loaded")
        return [Route(add_base_path("film/{key}/states"), answer, methods=["GET"])]

    def answer(request: Request) -> Response:
        return PlainTextResponse(f"film {request.path_params['key']}")

    return [LazyRoutes("film", load), Route("/{path:path}", lambda _request: PlainTextResponse("a page"))]


def test_the_first_request_loads_them_and_later_ones_do_not() -> None:
    loads: list[str] = []
    routes = _routes(loads)
    assert ask(routes, "/film").content == b"a page" and not loads, "the page of this name is not below the folder"
    assert ask(routes, "/collapse").content == b"a page" and not loads
    assert ask(routes, "/film/abc/states").content == b"film abc"
    assert ask(routes, "/film/def/states").content == b"film def"
    assert loads == ["loaded"]


def test_they_are_loaded_beside_the_thread_that_answers_other_requests() -> None:
    loading: list[threading.Thread] = []

    def load() -> Sequence[BaseRoute]:
        loading.append(threading.current_thread())
        return []

    async def answering() -> threading.Thread:
        await LazyRoutes("film", load).handle(
            {"type": "http", "method": "GET", "path": "/film/abc", "headers": []}, _no_body, _no_answer
        )
        return threading.current_thread()

    answered_by = event_loop.run(answering())
    assert len(loading) == 1 and loading[0] is not answered_by


async def _no_body() -> dict:
    return {"type": "http.request", "body": b""}


async def _no_answer(_message: object) -> None:
    return None


def test_an_address_below_the_folder_that_is_no_route_is_not_there() -> None:
    assert ask(_routes([]), "/film/abc/other").status == 404


def test_they_are_below_the_address_of_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: "/lab" if name == "server.baseUrlPath" else usual(name))
    routes = _routes([])
    assert ask(routes, "/lab/film/abc/states").content == b"film abc"
    assert ask(routes, "/film/abc/states").content == b"a page"
