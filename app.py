"""The dashboard: its pages and its server. Start with `streamlit run app.py`.

Streamlit imports this file once, to serve it, and runs it as a script for every visitor.

Tested by tests/pages/test_pages.py.
"""

from pathlib import Path

import streamlit as st

from rnc.ui.server_middleware_and_routes import middleware, routes, show_unexpected_error
from rnc.ui.warm_up import declare_pages, warm_up

ICON = Path(__file__).parent / "rnc" / "ui" / "icon.svg"


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


if __name__ == "__main__":
    from rnc.ui.page_frame import draw_dashboard

    st.set_page_config("Robust neural collapse", page_icon=ICON, layout="wide", initial_sidebar_state=360)
    draw_dashboard(navigation())
else:
    declare_pages(navigation)
    app = st.App(  # named here, because `streamlit run` looks for it in this file
        __file__,
        lifespan=warm_up,
        routes=routes(),
        middleware=middleware(),
        on_script_error=show_unexpected_error,
    )
