"""The sidebar that all pages share, with the progress of trainings, and the page of an empty store."""

from collections.abc import Hashable

import pandas as pd
import streamlit as st

from rnc.store.addresses import store_path
from rnc.ui import opened_store
from rnc.ui.epoch_slider import draw_cursor
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.markdown import escape_markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.readonly import READONLY_MESSAGE, is_readonly
from rnc.ui.run_filter import draw_filter
from rnc.ui.run_labels import MARKS
from rnc.ui.selection import Selection, condition_names, set_selection
from rnc.vocabulary import Role, RunState, Split

_DEFAULT_RUNS = 5  # one per objective
_POLL_SECONDS = 3.0
_SETTING = ["dataset", "model", "width", "subset", "norm", "epochs"]
"""The fields in which runs must agree for their objectives to be comparable."""
_CONTENT = "content_of_pages"
_MISSING, _MOST_NAMED = "missing_runs", 5


def draw_sidebar() -> bool:
    """Draw the controls and set the selection for the page; return False if no run has been measured yet."""
    content = _content_of_pages()
    # Epochs that are measured while a page is drawn trigger a rerun only after it. Otherwise a page that takes longer to draw
    # than an epoch takes to train would never be completed.
    st.session_state.pop(_CONTENT, None)
    runs, default = _measured_and_default_runs()
    if not runs.empty:
        _name_missing_runs(set(runs["run_id"]))
        with st.sidebar:
            selection = _draw_selection(runs, default)
            set_selection(selection)
            _draw_training_status()
        _warn_of_synthetic_runs(runs[runs["run_id"].isin(selection.runs)])
    st.session_state[_CONTENT] = content
    return not runs.empty


@cached_until_store_changes
def _measured_and_default_runs() -> tuple[pd.DataFrame, list[str]]:
    """Return the table of the measured runs, and those that are selected at first, both of one reading of the store."""
    runs = opened_store.reader().runs.all()
    measured = runs[runs["run_id"].isin(opened_store.reader().metrics.value_counts_by_run()["run_id"])]
    return measured, [] if measured.empty else _one_of_each_objective(measured[~measured["archived"]])


def default_runs() -> list[str]:
    """Return the runs that are selected at first."""
    return _measured_and_default_runs()[1]


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


def _draw_selection(runs: pd.DataFrame, default: list[str]) -> Selection:
    selected = _choose_runs(runs, default)
    epochs = opened_store.reader().metrics.measured_epochs(selected)["epoch"].dropna().unique()
    epoch = draw_cursor(sorted(int(epoch) for epoch in epochs if epoch >= 0))
    names = [name for name in condition_names(selected) if name != Role.CLEAN]
    condition_name = st.selectbox(
        "Condition",
        names or [str(Role.PERTURBED)],
        key="condition",
        bind="query-params",
        help="The condition to compare with the clean images. A name such as perturbed is a role, to which each run assigns "
        "its own attack or noise; any other name is one condition, the same for all runs.",
    )
    split = st.segmented_control(
        "Split",
        [str(split) for split in Split],
        default=str(Split.TRAIN),
        key="split",
        bind="query-params",
        required=True,
        format_func=escape_markdown,
    )
    return Selection(selected, epoch, str(condition_name), Split(split or Split.TRAIN))


def _choose_runs(runs: pd.DataFrame, default: list[str]) -> list[str]:
    """Let the user select runs among those that match the filter, and return their ids."""
    run_filter = draw_filter(runs)
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


def draw_empty_state() -> None:
    """Draw the page of an empty store, from which the demo can be trained and observed."""
    st.title("No measurements yet")
    if is_readonly():
        st.info(READONLY_MESSAGE, icon=":material/visibility:")
        _draw_training_status()
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
    _draw_training_status()


@st.fragment(run_every=_POLL_SECONDS)
@show_errors_of_fragment
def _draw_training_status() -> None:
    """Draw the progress of the runs under way; rerun the app when a new epoch has been measured."""
    training, runs = opened_store.training(), opened_store.reader().runs.all()
    active = runs[runs["state"] == RunState.RUNNING]
    if training.running and active.empty:
        st.progress(0.0, "Starting the training …")
    for run in active.to_dict("records"):
        share = min(run["epochs_done"] / max(run["epochs"], 1), 1.0)
        objective = escape_markdown(run["objective"].upper())
        st.progress(
            share, f"{objective}: epoch {escape_markdown(run['epochs_done'])} of {escape_markdown(run['epochs'])}"
        )
    if training.running and not is_readonly() and st.button("Stop training", key="stop_training"):
        training.stop()
    content = _content_of_pages()
    if st.session_state.setdefault(_CONTENT, content) != content:
        st.rerun(scope="app")


@cached_until_store_changes
def _content_of_pages() -> Hashable:
    """Return a value that changes with the pages' content: runs, their notes and measured epochs, but no heartbeats."""
    runs = opened_store.reader().runs.all()
    if runs.empty:
        return ()
    rows = zip(runs["run_id"], runs["state"], runs["archived"], map(tuple, runs["tags"]), runs["note"], strict=True)
    return (*rows, *opened_store.reader().metrics.value_counts_by_run()["metrics"])


def _one_of_each_objective(runs: pd.DataFrame) -> list[str]:
    """Return comparable runs: for one setting, a run of each objective, standard training first.

    The setting is the one with the most objectives, then with the most epochs, then the newest. Gallery runs are used only if
    the store has no other run, and synthetic runs only if there are no others.
    """
    for mark in MARKS:
        runs = runs if runs[mark].all() else runs[~runs[mark]]
    newest_first = runs.assign(age=range(len(runs)))
    settings = newest_first.groupby(_SETTING, sort=False).agg(kinds=("objective", "nunique"), age=("age", "min"))
    ranked = settings.reset_index().sort_values(["kinds", "epochs", "age"], ascending=[False, False, True])
    comparable = newest_first.merge(ranked[_SETTING].head(1), on=_SETTING)
    one_each = comparable.sort_values("age").drop_duplicates("objective")
    standard_first = one_each.sort_values("objective", key=lambda names: names.ne("st"), kind="stable")
    return list(standard_first["run_id"])[:_DEFAULT_RUNS]
