"""Streamlit controls shared by the pages: the store, the selection in the sidebar, the empty state. The URL holds their state."""

import runpy
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from rnc.store.connection import store_path
from rnc.store.gallery import gallery_path
from rnc.store.reader import StoreReader
from rnc.store.writer import StoreWriter
from rnc.ui.epoch_slider import draw_cursor
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.readonly import READONLY_MESSAGE, is_readonly, refuse_if_readonly
from rnc.ui.run_filter import draw_filter
from rnc.ui.run_labels import MARKS, run_labels
from rnc.ui.training_process import Training, training_of
from rnc.vocabulary import Role, RunState, Split

_APP = Path(__file__).parents[2] / "app.py"
_DEFAULT_RUNS = 5  # one per objective
_POLL_SECONDS = 3.0
_SETTING = ["dataset", "model", "width", "subset", "norm", "epochs"]
"""The fields in which runs must agree for their objectives to be comparable."""


@dataclass(frozen=True)
class Selection:
    """The sidebar's selection: runs, epoch, split, and the condition that is compared with clean."""

    runs: list[str]
    epoch: int
    shown: str
    split: Split


@st.cache_resource(show_spinner=False)
def _reader(path: Path, gallery: Path | None) -> StoreReader:
    return StoreReader(path, gallery)


def reader() -> StoreReader:
    """Return the reader of this app's store and of the gallery, shared by all sessions."""
    return _reader(store_path().resolve(), gallery_path())


def writer() -> StoreWriter:
    """Return the writer, the only way for a page to change the store. Raises ReadOnlyError in a public view."""
    refuse_if_readonly()
    return StoreWriter(store_path().resolve())


def training() -> Training:
    """Return the training that this app may start into its store."""
    return training_of(store_path().resolve())


def draw_sidebar() -> Selection | None:
    """Draw the shared selection and return it; None while no run has been measured."""
    landed = _landed()
    # Epochs that are measured while a page is drawn trigger a rerun only after it. Otherwise a page that takes longer to draw
    # than an epoch takes to train would never be completed.
    st.session_state.pop("landed", None)
    selection = _draw_selection()
    st.session_state["landed"] = landed
    return selection


def _draw_selection() -> Selection | None:
    runs = reader().runs()
    runs = runs[runs["run_id"].isin(reader().measured_rows()["run_id"])]
    if runs.empty:
        return None
    with st.sidebar:
        asked, default = draw_filter(runs), _one_of_each_objective(runs[~runs["archived"]])
        kept = {*default, *st.session_state.get("runs", st.query_params.get_all("runs"))}  # chosen runs stay available
        chosen = st.multiselect(
            "Runs",
            list(runs[asked.matches(runs) | runs["run_id"].isin(kept)]["run_id"]),
            default=default,
            key="runs",
            bind="query-params",
            help="dataset-model-objective-norm-seed-hash of the config",
        )
        if ours := int(runs[runs["run_id"].isin(chosen)]["published"].sum()):
            st.caption(
                f":material/collections_bookmark: {ours:d} of {len(chosen)} from the gallery that comes with the project"
            )
        measured = reader().measured_epochs(chosen)["epoch"].dropna().unique()
        epoch = draw_cursor(sorted(int(epoch) for epoch in measured if epoch >= 0))
        names = reader().conditions(chosen)["shown"].unique().tolist()
        options = [name for name in _ordered(names) if name != Role.CLEAN]
        shown = st.selectbox(
            "Condition",
            options or [str(Role.PERTURBED)],
            key="condition",
            bind="query-params",
            help="What is set against the clean images: a role that each run gives to an attack or noise of its own, "
            "or an extra condition by name",
        )
        split = st.segmented_control(
            "Split", [str(s) for s in Split], default=str(Split.TRAIN), key="split", bind="query-params", required=True,
            format_func=escape_markdown,
        )  # fmt: skip
        st.session_state["selection"] = chosen_now = Selection(chosen, epoch, str(shown), Split(split or Split.TRAIN))
        _training_status()
    _say_what_is_made_up(runs[runs["run_id"].isin(chosen)])
    return chosen_now


def _say_what_is_made_up(chosen: pd.DataFrame) -> None:
    """Warn above every page's title that some of the numbers below were never measured."""
    if made_up := int(chosen["synthetic"].sum()):
        st.warning(
            f"Synthetic: {made_up:d} of {len(chosen)} chosen runs are made up, to try the dashboard at scale. No network was "
            "trained for them; their numbers say nothing of any.",
            icon=":material/science_off:",
        )


def selection(*, may_be_none: bool = False) -> Selection:
    """Return the selection that `app.py` drew in this script run; stop the page with a hint if no run is chosen."""
    chosen: Selection | None = st.session_state.pop("selection", None)
    if chosen is None:
        # For the first page requested from a new server, Streamlit runs only that page, by its old rule for folders named
        # pages/. The app then runs from here and draws the page again. Its st.navigation ends the old rule permanently.
        runpy.run_path(str(_APP), run_name="__main__")
        st.stop()
    if not chosen.runs and not may_be_none:
        st.info("Choose at least one run in the sidebar.", icon=":material/arrow_back:")
        st.stop()
    return chosen


def chosen_runs(selection: Selection) -> pd.DataFrame:
    """Return the table of the chosen runs in the order of choice, with a short `label` each."""
    runs = reader().runs().set_index("run_id", drop=False).loc[selection.runs]
    return runs.assign(label=pd.Series(run_labels(runs.reset_index(drop=True))))


def focus_run(selection: Selection) -> pd.Series:
    """Let the user choose one of the chosen runs for the page, and return its row, with `label`."""
    runs = chosen_runs(selection)
    labels = dict(zip(runs["label"], runs["run_id"], strict=True))
    picked = st.segmented_control(
        "Run",
        list(labels),
        default=next(iter(labels)),
        key="run",
        bind="query-params",
        required=True,
        format_func=escape_markdown,
    )
    return runs.set_index("label", drop=False).loc[picked or runs["label"].iloc[0]].squeeze()


def condition_of(run_id: str, shown: str) -> str | None:
    """Return the slug of the condition that a run shows under a name; None if the run was not measured under it."""
    conditions = reader().conditions([run_id])
    found = conditions[conditions["shown"] == shown]["condition"]
    return None if found.empty else str(found.iloc[0])


def name_classes(frame: pd.DataFrame, names: list[str], *columns: str) -> pd.DataFrame:
    """Return the frame with class names in place of class numbers in the given columns."""
    return frame.assign(**{column: frame[column].map(dict(enumerate(names))) for column in columns})


def conditions_shown(selection: Selection) -> list[str]:
    """Return the names of all conditions under which the chosen runs were measured, clean first."""
    return _ordered(reader().conditions(selection.runs)["shown"].unique().tolist())


def epoch_not_after(frame: pd.DataFrame, run_id: str, cursor: int) -> int | None:
    """Return the last epoch of a run in (run_id, epoch) `frame` that is not after the cursor; None if there is none."""
    epochs = frame[(frame["run_id"] == run_id) & (frame["epoch"] <= cursor)]["epoch"]
    return None if epochs.empty else int(epochs.max())


def told_epochs(epochs: dict[str, int]) -> Markdown:
    """Return the epoch at which each run (label) is shown, in words; stated once if it is the same for all."""
    if len(epochs) > 1 and len(set(epochs.values())) == 1:
        return f"all at epoch {next(iter(epochs.values())):d}"
    return ", ".join(f"{escape_markdown(label)} at epoch {epoch:d}" for label, epoch in epochs.items())


def draw_empty_state() -> None:
    """Draw the page of an empty store, from which the demo can be trained and observed."""
    st.title("Nothing measured yet")
    if is_readonly():
        st.info(READONLY_MESSAGE, icon=":material/visibility:")
        _training_status()
        return
    st.markdown(
        f"The store {escape_markdown(store_path())} holds no measured epoch. Train the demo here (three small networks on real "
        "handwritten digits: standard, adversarial, TRADES; a few minutes on two cores), or run\n"
        "```\npython -m train.run demo\n```\n"
        "The pages fill as soon as the first epoch is measured."
    )
    under_way = training().running or (reader().runs()["state"] == RunState.RUNNING).any()
    if not under_way and st.button("Train the demo", type="primary", icon=":material/play_arrow:", key="train_demo"):
        training().start("demo")
        st.rerun()
    if training().exit_code:
        show_error(f"Training ended with exit code {training().exit_code:d}; what it said last:")
        st.code(training().log_tail(), language=None)
    _training_status()


@st.fragment(run_every=_POLL_SECONDS)
@show_errors_of_fragment
def _training_status() -> None:
    """Draw the progress of the runs under way; rerun the app when a new epoch has been measured."""
    runs = reader().runs()
    active = runs[runs["state"] == RunState.RUNNING]
    if training().running and active.empty:
        st.progress(0.0, "starting …")
    for _index, run in active.iterrows():
        share = min(run["epochs_done"] / max(run["epochs"], 1), 1.0)
        st.progress(
            share,
            f"{escape_markdown(run['objective'].upper())}: epoch {escape_markdown(run['epochs_done'])} of "
            f"{escape_markdown(run['epochs'])}",
        )
    if training().running and not is_readonly() and st.button("Stop training", key="stop_training"):
        training().stop()
    now = _landed()
    if st.session_state.setdefault("landed", now) != now:
        st.rerun(scope="app")


def _landed() -> tuple:
    """Return a value that changes with the pages' content: runs, their notes and measured epochs, but no heartbeats."""
    runs = reader().runs()
    if runs.empty:
        return ()
    said = zip(runs["run_id"], runs["state"], runs["archived"], map(tuple, runs["tags"]), runs["note"], strict=True)
    return (*said, *reader().measured_rows()["metrics"])


def _one_of_each_objective(runs: pd.DataFrame) -> list[str]:
    """Return comparable runs: for one setting, a run of each objective, standard training first.

    The setting is the one with the most objectives, then with the most epochs, then the newest. Gallery runs are used only if
    the store has no run of its own, and made-up runs only if there are no others.
    """
    for mark in MARKS:
        runs = runs if runs[mark].all() else runs[~runs[mark]]
    newest_first = runs.assign(age=range(len(runs)))
    settings = newest_first.groupby(_SETTING, sort=False).agg(kinds=("objective", "nunique"), age=("age", "min"))
    ranked = settings.reset_index().sort_values(["kinds", "epochs", "age"], ascending=[False, False, True])
    alike = newest_first.merge(ranked[_SETTING].head(1), on=_SETTING).sort_values("age").drop_duplicates("objective")
    return list(alike.sort_values("objective", key=lambda names: names.ne("st"), kind="stable")["run_id"])[
        :_DEFAULT_RUNS
    ]


def _ordered(names: list[str]) -> list[str]:
    """Return the names with roles in their own order first, then the extra conditions by name."""
    roles = [str(role) for role in Role]
    return sorted(names, key=lambda name: (roles.index(name) if name in roles else len(roles), name))
