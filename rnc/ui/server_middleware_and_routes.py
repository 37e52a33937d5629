"""The parts of the dashboard's server (`st.App`), which listens before pandas, DuckDB and Altair are loaded.

They take as long to load as a browser takes to load Streamlit's page, and are loaded meanwhile (`rnc.ui.warm_up`).

Tested by tests/rnc/ui/test_server_middleware_and_routes.py.
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from rnc.ui.lazy_routes import LazyRoutes
from rnc.ui.no_refresh_while_drawing import RefreshGuard
from rnc.ui.page_script import PageScript
from rnc.ui.random_addresses import FILM_FOLDER, IMAGES_FOLDER
from rnc.ui.request_guard import RequestGuard
from rnc.ui.serve_streamlit_files import StreamlitFiles


def middleware() -> list[Middleware]:
    """Return what every request passes, the first one first."""
    return [Middleware(RequestGuard), Middleware(StreamlitFiles), Middleware(RefreshGuard), Middleware(PageScript)]


def routes() -> list[BaseRoute]:
    """Return the addresses of files that are not Streamlit's: those of films, and the images of samples."""
    return [LazyRoutes(FILM_FOLDER, _film_routes), LazyRoutes(IMAGES_FOLDER, _sample_image_routes)]


def _film_routes() -> Sequence[BaseRoute]:
    from rnc.ui.film import film_routes

    return film_routes.routes()


def _sample_image_routes() -> Sequence[BaseRoute]:
    from rnc.ui.projections import sample_image_routes

    return sample_image_routes.routes()


def show_unexpected_error(error: Exception) -> bool:
    """Show an error that no page expects (`rnc.ui.errors`)."""
    from rnc.ui import errors

    return errors.show_unexpected_error(error)
