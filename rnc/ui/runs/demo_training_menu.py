"""Training from the runs page: the demo, into the store that is open, and the state of what is being trained.

Tested by tests/pages/test_training.py.
"""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.readonly import is_readonly
from rnc.ui.training_process import Phase
from rnc.ui.training_status import draw_start_error, draw_training_status, start_training

_MENU = "train_menu"
PLACE = "_here"
"""The part of the keys by which the page's buttons differ from those of the sidebar."""


def draw_train_menu() -> None:
    """Draw the menu beside the title from which the demo is trained, unless this is a public view."""
    if is_readonly():
        return
    with st.popover("Train", icon=":material/model_training:", key=_MENU, on_change="rerun"):
        st.markdown(
            "**The demo**: three small networks on handwritten digits, by standard training (ST), adversarial training (AT) and "
            "TRADES. It takes about six minutes on two cores. ST is trained first, and the pages show each epoch as it is "
            "measured. Finished runs are skipped, and stopped ones go on."
        )
        if opened_store.training().phase in (Phase.RUNNING, Phase.STOPPING):
            st.caption("A training is under way, and at most one is started from here at a time.")
        else:
            st.button(
                "Train the demo",
                key="train_demo_here",
                type="primary",
                icon=":material/play_arrow:",
                on_click=_train_demo,
            )
        st.caption("Other runs are trained by `python -m train.run`; `--help` lists the options.")


def _train_demo() -> None:
    """Start the demo, and close the menu, which would hide the answer."""
    st.session_state[_MENU] = False
    start_training("demo", PLACE)


def draw_started_training() -> None:
    """Draw the state of the training that this app started, where the user started it."""
    is_idle = opened_store.training().phase is Phase.IDLE
    with st.container(border=not is_idle, key="training_here"):
        if is_idle:
            draw_start_error(PLACE)
        else:
            draw_training_status(PLACE)
