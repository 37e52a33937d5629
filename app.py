"""The dashboard: page setup, navigation, and the selection that all pages share. Start with `streamlit run app.py`.

Streamlit imports this file once, to serve it, and runs it as a script for every visitor.

Tested by tests/pages/test_pages.py.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from rnc import log
from rnc.store.addresses import to_log_beside
from rnc.ui import empty_state, opened_store, sidebar
from rnc.ui.address_values import name_unavailable
from rnc.ui.browser_history import FirstHistoryEntry
from rnc.ui.epoch_slider import page_is_drawn
from rnc.ui.errors import show_errors, show_script_error
from rnc.ui.film import film_routes
from rnc.ui.projections import sample_image_routes
from rnc.ui.refresh_guard import RefreshGuard
from rnc.ui.refresh_interval import measured_drawing
from rnc.ui.request_guard import RequestGuard
from rnc.ui.style import STYLE
from rnc.ui.warm_up import declare_pages, warm_up

ICON = Path(__file__).parent / "rnc" / "ui" / "icon.svg"

_UNUSED = {  # the controls of the sidebar that make no difference to a page
    "Findings": (sidebar.CONDITION, sidebar.SPLIT),
    "Attack lab": (sidebar.CONDITION,),
    "Runs": (sidebar.EPOCH, sidebar.CONDITION, sidebar.SPLIT),
}


def navigation() -> st.Page:
    """Declare the pages of the dashboard, and return the one that the visitor requested."""
    return st.navigation(
        [
            st.Page("pages/findings.py", title="Findings", icon=":material/fact_check:", default=True),
            st.Page("pages/collapse.py", title="Collapse", icon=":material/show_chart:"),
            st.Page("pages/geometry.py", title="Geometry", icon=":material/change_history:"),
            st.Page("pages/projections.py", title="Projections", icon=":material/scatter_plot:"),
            st.Page("pages/film.py", title="Film", icon=":material/movie:"),
            st.Page("pages/layers.py", title="Layers", icon=":material/layers:"),
            st.Page("pages/attack_lab.py", title="Attack lab", icon=":material/science:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/table:"),
        ]
    )


def draw() -> None:
    """Draw the page that the visitor requested."""
    st.set_page_config("Robust neural collapse", page_icon=ICON, layout="wide", initial_sidebar_state=360)
    st.html(STYLE)
    page = navigation()
    try:
        with show_errors(), measured_drawing(), opened_store.reader().one_version():
            log.set_up(to_log_beside(opened_store.reader().path), console=True)
            if sidebar.draw_sidebar(_UNUSED.get(page.title, ())):
                page.run()
                name_unavailable()
            else:
                empty_state.draw_empty_state()
    finally:  # a page may end with st.stop
        page_is_drawn()


if __name__ == "__main__":
    draw()
else:
    declare_pages(navigation)
    routes = [*sample_image_routes.routes(), *film_routes.routes()]
    app = st.App(
        __file__,
        lifespan=warm_up,
        routes=routes,
        middleware=[Middleware(RequestGuard), Middleware(RefreshGuard), Middleware(FirstHistoryEntry)],
        on_script_error=show_script_error,
    )
