"""The offer to train the demo from the page, on the first screen and on the page of an empty store.

Tested by tests/pages/test_first_screen.py.
"""

import pandas as pd
import streamlit as st

from rnc.ui import opened_store
from rnc.ui.default_runs import choose_default_runs, is_done, measured_and_default_runs
from rnc.ui.markdown import Markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.readonly import is_readonly
from rnc.ui.training_status import offers_to_go_on
from rnc.vocabulary import Objective, RunState

DEMO_IN_WORDS = (
    "Three small networks on real handwritten digits, by standard training, adversarial training and TRADES. It takes about 5 "
    "minutes on two free processor cores, longer on a busy machine; the first pictures come after about one."
)
_DEMO_OBJECTIVES = {Objective.ST, Objective.AT, Objective.TRADES}


def draw_next_step_of_demo() -> None:
    """Draw what can be done about the demo: start it, watch the runs under way, or show its runs."""
    if is_readonly():
        st.markdown("This public view trains nothing. On your own machine:\n```\npython -m train.run demo\n```")
        return
    runs = opened_store.reader().runs.all()
    if is_training_under_way(runs):
        st.markdown(
            "A training is under way; the sidebar shows its progress. Its runs are selected once they are done."
        )
        _offer_runs("Watch the runs under way", _under_way(), key="watch_training")
    elif demo_runs := _finished_demo():
        st.markdown("The demo has been trained: its runs are in this store.")
        _offer_runs("Show the demo's runs", demo_runs, key="show_demo")
    elif offers_to_go_on(opened_store.training()):
        st.markdown("A training ended before its time; the sidebar offers to go on with it.")
    else:
        st.markdown(DEMO_IN_WORDS)
        draw_training_button()


def draw_training_button() -> None:
    """Draw the button that trains the demo."""
    if st.button("Train the demo", type="primary", icon=":material/play_arrow:", key="train_demo"):
        opened_store.training().start("demo")
        st.rerun()


def is_training_under_way(runs: pd.DataFrame) -> bool:
    """Return whether this app or any other program trains into the store now; `runs` are those of the store."""
    return opened_store.training().running or bool((runs["state"] == RunState.RUNNING).any())


def _under_way() -> list[str]:
    """Return the runs under way that have a measured epoch."""
    measured = measured_and_default_runs()[0]
    return list(measured[measured["state"] == RunState.RUNNING]["run_id"])


@cached_until_store_changes
def _finished_demo() -> list[str]:
    """Return the runs of the demo, if all are done."""
    runs = opened_store.reader().runs.all()
    digits = runs[~runs["published"] & ~runs["synthetic"] & (runs["dataset"] == "digits") & is_done(runs)]
    is_there = set(digits["objective"]) >= _DEMO_OBJECTIVES
    return choose_default_runs(digits[digits["objective"].isin(_DEMO_OBJECTIVES)]) if is_there else []


def _offer_runs(label: Markdown, run_ids: list[str], key: str) -> None:
    """Offer to select runs, unless they are selected."""
    if run_ids and set(run_ids) != set(st.session_state.get("runs", [])):
        st.button(label, key=key, on_click=select_runs, args=[run_ids])


def select_runs(run_ids: list[str]) -> None:
    """Select runs, as a visitor would in the sidebar, at their last epoch."""
    st.session_state["runs"] = run_ids
    st.session_state["cursor_to"] = "last"
