"""The server listens before the libraries of pages are loaded, and loads what serves files and errors when it is needed."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from rnc.ui import errors, server_middleware_and_routes
from rnc.ui.film import film_routes
from rnc.ui.projections import sample_image_routes
from tests.conftest import ROOT

_LIBRARIES = ("pandas", "duckdb", "pyarrow", "altair", "torch", "numpy")


def test_the_server_is_declared_without_the_libraries_of_pages() -> None:
    command = f"import sys, app; assert app.app; print(*sorted(set({_LIBRARIES}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_its_addresses_are_those_of_films_and_images() -> None:
    films, images = server_middleware_and_routes.routes()
    for routes, module in ((films, film_routes), (images, sample_image_routes)):
        loaded = [route.path for route in routes._load()]
        assert loaded == [route.path for route in module.routes()]
        assert all(path.startswith(routes.path) for path in loaded), "no address is left out by the folder"


def test_an_unexpected_error_is_shown_as_pages_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Exception] = []
    monkeypatch.setattr(errors, "show_unexpected_error", lambda error: not shown.append(error))
    error = ValueError("of a callback")
    assert server_middleware_and_routes.show_unexpected_error(error) is True
    assert shown == [error]


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not support Windows")
@pytest.mark.parametrize("library", ["uvloop", "httptools"])
def test_streamlit_finds_the_libraries_that_answer_at_once(library: str) -> None:
    """Without uvloop, each small answer waits 40 ms for an acknowledgement, because Streamlit's socket names no protocol and
    asyncio then leaves Nagle's algorithm on. A visitor's browser asks for 140 files.
    """
    assert find_spec(library)
