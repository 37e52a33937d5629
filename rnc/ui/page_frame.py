"""The dashboard as a visitor sees it: the sidebar and the requested page.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc import event_log
from rnc.store.addresses import path_if_store_or_new
from rnc.ui import empty_store_page, opened_store, sidebar
from rnc.ui.controls_in_address import name_unavailable
from rnc.ui.errors import show_errors
from rnc.ui.playable_sliders import start_page_visible_clock
from rnc.ui.refresh_interval_by_load import measured_drawing
from rnc.ui.style import STYLE
from rnc.ui.warm_up import first_page_drawn

_UNUSED = {  # the controls of the sidebar that make no difference to a page
    "Findings": (sidebar.CONDITION, sidebar.SPLIT),
    "Attack lab": (sidebar.CONDITION,),
    "Runs": (sidebar.EPOCH, sidebar.CONDITION, sidebar.SPLIT),
}


def draw_dashboard(page: st.Page) -> None:
    """Draw the sidebar and a page, or the ways to the first run if there is none."""
    st.html(STYLE)
    try:
        with show_errors(), measured_drawing(), opened_store.reader().one_version():
            event_log.set_up(path_if_store_or_new(opened_store.reader().path), console=True)
            if sidebar.draw_sidebar_if_measured(_UNUSED.get(page.title, ())):
                page.run()
                name_unavailable()
            else:
                empty_store_page.draw_empty_state()
    finally:  # a page may end with st.stop
        start_page_visible_clock()
        first_page_drawn.set()
