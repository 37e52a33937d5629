"""The page of a store without measurements, from which the demo can be trained and observed.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.store.addresses import store_path
from rnc.ui import opened_store
from rnc.ui.demo_training_offer import DEMO_IN_WORDS, draw_training_button, is_training_under_way
from rnc.ui.glossary import draw_glossary
from rnc.ui.markdown import escape_markdown
from rnc.ui.pages.home_introduction import SUBJECT, draw_measuring_instructions
from rnc.ui.readonly import READONLY_MESSAGE, is_readonly
from rnc.ui.training_status import draw_training_status, offers_to_go_on


def draw_empty_state() -> None:
    """Draw the page of an empty store, from which the demo can be trained and observed."""
    st.title("No measurements yet")
    with st.sidebar:
        draw_glossary()
    if is_readonly():
        st.info(READONLY_MESSAGE, icon=":material/visibility:")
        st.markdown(SUBJECT)
        draw_training_status()
        return
    st.markdown(
        f"{SUBJECT}\n\nThe store {escape_markdown(store_path())} contains no measured epoch. The pages fill as soon as the first "
        f"epoch is measured.\n\n#### Train the demo here\n{DEMO_IN_WORDS} In a terminal:\n```\npython -m train.run demo\n```"
    )
    is_under_way = is_training_under_way(opened_store.reader().runs.all())
    if not is_under_way and not offers_to_go_on(opened_store.training()):
        draw_training_button()
    draw_training_status()
    st.markdown("#### Bring your own network")
    draw_measuring_instructions()
