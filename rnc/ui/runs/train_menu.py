"""Training from the runs page: the demo, into the store that is open.

Tested by tests/pages/test_training.py.
"""

import streamlit as st

from rnc.ui import opened_store
from rnc.ui.readonly import is_readonly
from rnc.ui.training_process import Phase
from rnc.ui.training_status import start_training


def draw_train_menu() -> None:
    """Draw the menu beside the title from which the demo is trained, unless this is a public view."""
    if is_readonly():
        return
    is_under_way = opened_store.training().phase in (Phase.RUNNING, Phase.STOPPING)
    with st.popover("Train", icon=":material/model_training:"):
        st.markdown(
            "**The demo**: three small networks on handwritten digits, by standard training (ST), adversarial training (AT) and "
            "TRADES. It takes about six minutes on two cores. ST is trained first, and the pages show each epoch as it is "
            "measured. Finished runs are skipped, and stopped ones go on."
        )
        st.button(
            "Train the demo",
            key="train_demo_here",
            type="primary",
            icon=":material/play_arrow:",
            on_click=start_training,
            args=("demo",),
            disabled=is_under_way,
        )
        if is_under_way:
            st.caption("A training is under way. Its progress is in the sidebar.")
        st.caption("Other runs are trained by `python -m train.run`; `--help` lists the options.")
