"""The sidebar that all pages share: runs, epoch, condition and split.

Tested by tests/pages/test_pages.py.
"""

import pandas as pd
import streamlit as st

from rnc.store.addresses import store_path
from rnc.ui import opened_store, training_status
from rnc.ui.default_runs import follow_default, measured_and_default_runs
from rnc.ui.epoch_slider import draw_cursor
from rnc.ui.glossary import draw_glossary, explain
from rnc.ui.markdown import escape_markdown
from rnc.ui.run_filter import draw_filter
from rnc.ui.selection import Selection, condition_names, set_selection
from rnc.ui.style import UNUSED_CONTROLS
from rnc.vocabulary import Role, Split

_MISSING, _MOST_NAMED = "missing_runs", 5


def draw_sidebar(*, has_conditions: bool = True) -> bool:
    """Draw the controls and set the selection for the page; return False if no run has been measured yet.

    Condition and split are hidden on a page that does not have conditions; they keep their values, also in the address.
    """
    content = training_status.content_of_pages()
    # Epochs that are measured while a page is drawn trigger a rerun only after it. Otherwise a page that takes longer to draw
    # than an epoch takes to train would never be completed.
    st.session_state.pop(training_status.CONTENT, None)
    runs, default = measured_and_default_runs()
    if not runs.empty:
        _name_missing_runs(set(runs["run_id"]))
        with st.sidebar:
            draw_glossary()
            selection = _draw_selection(runs, default, has_conditions)
            set_selection(selection)
            training_status.draw_training_status()
        _warn_of_synthetic_runs(runs[runs["run_id"].isin(selection.runs)])
    st.session_state[training_status.CONTENT] = content
    return not runs.empty


def _name_missing_runs(measured: set[str]) -> None:
    """Name the runs of the address that are not in the store; if there are no others, stop here, so that the address stays.

    They are looked up when a visit begins, and named until the user selects other runs.
    """
    if "runs" not in st.session_state and _MISSING not in st.session_state:
        requested = st.query_params.get_all("runs")
        missing = [run_id for run_id in requested if run_id not in measured]
        st.session_state[_MISSING] = (missing, len(missing) == len(requested))
    missing, are_all_missing = st.session_state.get(_MISSING, ([], False))
    if not missing:
        return
    named = ", ".join(escape_markdown(run_id) for run_id in missing[:_MOST_NAMED])
    named += f" and {len(missing) - _MOST_NAMED:d} more" if len(missing) > _MOST_NAMED else ""
    st.warning(
        f"This address names runs that are not in the store {escape_markdown(store_path())}, or have no measured epoch: {named}. "
        "They may have been deleted, or be in another store.",
        icon=":material/link_off:",
    )
    if are_all_missing:
        st.button("Show other runs", key="show_other_runs", on_click=_forget_missing_runs)
        st.stop()


def _forget_missing_runs() -> None:
    st.session_state[_MISSING] = ([], False)


def _draw_selection(runs: pd.DataFrame, default: list[str], has_conditions: bool) -> Selection:
    selected = _choose_runs(runs, default)
    epochs = opened_store.reader().metrics.measured_epochs(selected)["epoch"].dropna().unique()
    epoch = draw_cursor(sorted(int(epoch) for epoch in epochs if epoch >= 0))
    # A widget that is not drawn loses its value and its part of the address; the style sheet hides this container instead.
    with st.container(key="condition_and_split" if has_conditions else UNUSED_CONTROLS):
        condition_name, split = _choose_condition_and_split(selected)
    return Selection(selected, epoch, condition_name, split)


def _choose_condition_and_split(selected: list[str]) -> tuple[str, Split]:
    names = [name for name in condition_names(selected) if name != Role.CLEAN]
    condition_name = st.selectbox(
        "Condition",
        names or [str(Role.PERTURBED)],
        key="condition",
        bind="query-params",
        help="The condition to compare with the clean images. A name such as perturbed is a role, to which each run assigns "
        "its own attack or noise; any other name is one condition, the same for all runs.\n\n"
        + explain("condition", "perturbed", "targeted", "relabelled", "gaussian", "sign noise", "as trained"),
    )
    split = st.segmented_control(
        "Split",
        [str(split) for split in Split],
        default=str(Split.TRAIN),
        key="split",
        bind="query-params",
        required=True,
        format_func=escape_markdown,
        help=explain("split"),
    )
    return str(condition_name), Split(split or Split.TRAIN)


def _choose_runs(runs: pd.DataFrame, default: list[str]) -> list[str]:
    """Let the user select runs among those that match the filter, and return their ids."""
    run_filter = draw_filter(runs)
    follow_default(default)
    # Runs that are selected already stay available, even if the filter excludes them.
    available = {*default, *st.session_state.get("runs", st.query_params.get_all("runs"))}
    selected = st.multiselect(
        "Runs",
        list(runs[run_filter.matches(runs) | runs["run_id"].isin(available)]["run_id"]),
        default=default,
        key="runs",
        bind="query-params",
        on_change=_forget_missing_runs,
        help="The name of a run consists of its data set, network, objective, norm and seed, and a hash of its config.",
    )
    if count := int(runs[runs["run_id"].isin(selected)]["published"].sum()):
        st.caption(f":material/collections_bookmark: {count:d} of {len(selected)} selected from the built-in gallery")
    return selected


def _warn_of_synthetic_runs(selected: pd.DataFrame) -> None:
    """Warn above every page's title that some of the numbers below were never measured."""
    if count := int(selected["synthetic"].sum()):
        st.warning(
            f"Synthetic: {count:d} of {len(selected)} selected runs contain generated numbers, for trials of the dashboard at "
            "scale. No network was trained, and nothing can be concluded from these numbers.",
            icon=":material/science_off:",
        )
