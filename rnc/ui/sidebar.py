"""The sidebar that all pages share: runs, epoch, condition and split.

Tested by tests/pages/test_pages.py.
"""

from collections.abc import Container

import pandas as pd
import streamlit as st

from rnc.conditions import condition_in_words
from rnc.store.addresses import store_path
from rnc.ui import opened_store, training_status
from rnc.ui.condition_controls import choose_one
from rnc.ui.controls_in_address import first_values_in_markdown, notice, remember_request, reserve_notices, tie
from rnc.ui.copy_link import draw_copy_link
from rnc.ui.default_runs import measured_and_default_runs
from rnc.ui.glossary import draw_glossary, explain
from rnc.ui.markdown import escape_markdown
from rnc.ui.playable_sliders import draw_cursor
from rnc.ui.readonly import displayed_path
from rnc.ui.run_colour_menu import draw_colour_choice
from rnc.ui.run_filter import draw_filter
from rnc.ui.run_picker import (
    MISSING,
    RUNS,
    begin,
    draw_picker,
    runs_of_address,
    show_default_runs,
    tie_coloured_runs_to_address,
)
from rnc.ui.selection import Selection, condition_names, labelled_runs, set_selection
from rnc.ui.style import UNUSED_CONTROLS
from rnc.ui.vanished_store import stop_if_store_vanished
from rnc.vocabulary import Role, Split

EPOCH, CONDITION, SPLIT = "epoch", "condition", "split"
"""The controls that not every page uses."""
_NO_SPLIT = "does not exist. The images of train are shown."


def draw_sidebar_if_measured(unused: Container[str] = ()) -> bool:
    """Draw the controls and set the selection for the page; return False if no run has been measured yet.

    Those of EPOCH, CONDITION and SPLIT that the page does not use are hidden; they keep their values, also in the address.
    """
    content = training_status.content_of_pages()
    # Epochs that are measured while a page is drawn trigger a rerun only after it. Otherwise a page that takes longer to draw
    # than an epoch takes to train would never be completed.
    st.session_state.pop(training_status.CONTENT, None)
    reserve_notices()
    remember_request()
    stop_if_store_vanished()
    runs, default = measured_and_default_runs()
    if not runs.empty:
        _name_missing_runs(set(runs["run_id"]))
        with st.sidebar:
            status = st.container()
            selection = _draw_selection(runs, default, unused)
            set_selection(selection)
            with status:
                training_status.draw_training_status()
        _warn_of_synthetic_runs(runs[runs["run_id"].isin(selection.runs)])
    st.session_state[training_status.CONTENT] = content
    return not runs.empty


def _name_missing_runs(measured: set[str]) -> None:
    """Name the runs of the address that are not in the store; if there are no others, stop here, so that the address stays.

    They are looked up when a visit begins, and named until the user selects other runs.
    """
    if RUNS not in st.session_state and MISSING not in st.session_state:
        requested = runs_of_address()
        missing = [run_id for run_id in requested if run_id not in measured]
        st.session_state[MISSING] = (missing, len(missing) == len(requested))
    missing, are_all_missing = st.session_state.get(MISSING, ([], False))
    if not missing:
        return
    notice(
        "This address names runs that are not in the store "
        f"{escape_markdown(displayed_path(store_path()))}, or have no measured epoch: "
        f"{first_values_in_markdown(missing)}. They may have been deleted, or be in another store.",
        title="These runs are not here" if are_all_missing else "",
    )
    if are_all_missing:
        st.button("Show other runs", key="show_other_runs", on_click=show_default_runs)
        st.stop()


def _draw_selection(runs: pd.DataFrame, default: list[str], unused: Container[str]) -> Selection:
    selected, colours = _choose_runs(runs, default)
    epochs = opened_store.reader().metrics.measured_epochs(selected)["epoch"].dropna().unique()
    # A widget that is not drawn loses its value and its part of the address; the style sheet hides its container instead.
    places = {
        name: st.container(key=f"{UNUSED_CONTROLS}_{name}" if name in unused else f"choice_of_{name}")
        for name in (EPOCH, CONDITION, SPLIT)
    }
    with places[EPOCH]:
        epoch = draw_cursor(sorted(int(epoch) for epoch in epochs if epoch >= 0), may_play=EPOCH not in unused)
    with places[CONDITION]:
        condition_name = _choose_condition(selected)
    with places[SPLIT]:
        split = _choose_split()
    return Selection(selected, epoch, condition_name, split, colours)


def _choose_condition(selected: list[str]) -> str:
    names = [name for name in condition_names(selected) if name != Role.CLEAN] or [str(Role.PERTURBED)]
    return choose_one(
        "Condition",
        names,
        tie(
            "condition",
            {name: name for name in names},
            "the condition",
            "was not measured for any of the selected runs. Compared with clean is "
            f"**{escape_markdown(condition_in_words(names[0]))}**.",
        ),
        help="The condition to compare with the clean images. A word such as perturbed is a role, to which each run assigns "
        "its own attack or noise; an attack with its size is one condition, the same for all runs.\n\n"
        + explain("condition", "perturbed", "targeted", "relabelled", "Gaussian noise", "sign noise", "as trained"),
    )


def _choose_split() -> Split:
    splits = {str(split): str(split) for split in Split}
    split = st.segmented_control(
        "Split",
        list(splits),
        default=str(Split.TRAIN),
        required=True,
        format_func=escape_markdown,
        help=explain("split"),
        **tie("split", splits, "the split", _NO_SPLIT),
    )
    return Split(split or Split.TRAIN)


def _choose_runs(runs: pd.DataFrame, default: list[str]) -> tuple[list[str], dict[str, str]]:
    """Let the user select runs among those that match the filter, and return their ids and colours."""
    begin(default)
    picker, buttons = st.container(), st.container(horizontal=True, gap="small")
    with buttons:
        run_filter = draw_filter(runs)
    colours = tie_coloured_runs_to_address(runs)
    selected = list(colours)
    # Runs that are selected already stay available, even if the filter excludes them.
    available = {*default, *selected}
    offered = list(runs[run_filter.matches(runs) | runs["run_id"].isin(available)]["run_id"])
    with picker:
        draw_picker(offered, selected)
    with buttons:
        draw_colour_choice(dict(labelled_runs(tuple(selected))["label"]), colours)
        draw_copy_link()
        draw_glossary()
    if count := int(runs[runs["run_id"].isin(selected)]["published"].sum()):
        st.caption(f":material/collections_bookmark: {count:d} of {len(selected)} selected from the built-in gallery")
    return selected, colours


def _warn_of_synthetic_runs(selected: pd.DataFrame) -> None:
    """Warn above every page's title that some of the numbers below were never measured."""
    if count := int(selected["synthetic"].sum()):
        st.warning(
            f"Synthetic: {count:d} of {len(selected)} selected runs contain generated numbers, for trials of the dashboard at "
            "scale. No network was trained, and nothing can be concluded from these numbers.",
            icon=":material/science_off:",
        )
