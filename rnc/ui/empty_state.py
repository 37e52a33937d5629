"""The page of a store without measurements, from which the demo can be trained and observed.

Tested by tests/pages/test_pages.py.
"""

import streamlit as st

from rnc.store.addresses import store_path
from rnc.ui import opened_store
from rnc.ui.errors import show_error
from rnc.ui.markdown import escape_markdown
from rnc.ui.readonly import READONLY_MESSAGE, is_readonly
from rnc.ui.training_status import draw_training_status
from rnc.vocabulary import RunState


def draw_empty_state() -> None:
    """Draw the page of an empty store, from which the demo can be trained and observed."""
    st.title("No measurements yet")
    if is_readonly():
        st.info(READONLY_MESSAGE, icon=":material/visibility:")
        draw_training_status()
        return
    st.markdown(
        f"The store {escape_markdown(store_path())} contains no measured epoch. Train the demo here (three small networks on "
        "real handwritten digits, with standard training, adversarial training and TRADES; a few minutes on two cores), or run\n"
        "```\npython -m train.run demo\n```\n"
        "The pages fill as soon as the first epoch is measured."
    )
    training = opened_store.training()
    under_way = training.running or (opened_store.reader().runs.all()["state"] == RunState.RUNNING).any()
    if not under_way and st.button("Train the demo", type="primary", icon=":material/play_arrow:", key="train_demo"):
        training.start("demo")
        st.rerun()
    if training.exit_code:
        show_error(f"The training ended with exit code {training.exit_code:d}. These are the last lines of its log:")
        st.code(training.log_tail(), language=None)
    draw_training_status()
