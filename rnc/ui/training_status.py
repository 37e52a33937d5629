"""The training under way, on every page: progress, Stop and Resume, and the rerun of a page when an epoch has been measured.

The buttons are outside the fragment that looks for news. A click in a fragment is lost if a rerun of the page, such as that for a
new epoch, has removed the fragment by the time when the server reads the click. And they act in callbacks, which are called
before any part of the page is drawn.

Tested by tests/pages/test_training.py.
"""

from collections.abc import Callable, Hashable

import pandas as pd
import streamlit as st

from rnc.durations import in_words
from rnc.safe_paths import UnsafePathError
from rnc.ui import opened_store
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.markdown import Markdown, escape_markdown
from rnc.ui.opened_store import cached_until_store_changes
from rnc.ui.readonly import ReadOnlyError, is_readonly
from rnc.ui.refresh_interval_by_load import refresh_seconds_from_drawing_times
from rnc.ui.training_process import Phase, Training
from rnc.vocabulary import RunState

_QUICK_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 15.0  # after which the log's last line is shown while a training starts
_ERROR = "training_error"
CONTENT = "content_of_pages"
"""The key of the session that holds the content with which the page was drawn."""
_ENDS: dict[Phase, Markdown] = {
    Phase.STOPPED: ":material/stop_circle: The training is stopped.",
    Phase.FAILED: ":material/error: The training failed.",
    Phase.FINISHED: ":material/check_circle: The training is finished.",
}


def draw_training_status(place: str = "") -> None:
    """Draw the progress of the runs under way, and the buttons that stop or resume the training of this app.

    A page that draws it besides the sidebar names its place, which becomes a part of the buttons' keys.
    """
    training = opened_store.training()
    phase = training.phase
    is_waiting = phase is Phase.STOPPING or (phase is Phase.RUNNING and _active_runs().empty)
    st.fragment(_draw_progress, run_every=_QUICK_POLL_SECONDS if is_waiting else refresh_seconds_from_drawing_times())()
    if is_readonly():
        return
    if phase is Phase.RUNNING:
        st.button(
            "Stop training",
            key=f"stop_training{place}",
            icon=":material/stop:",
            on_click=_act,
            args=(place, training.stop),
        )
    elif phase is Phase.STOPPING:
        _draw_stopping(training, place)
    elif phase in _ENDS:
        _draw_end(training, phase, place)
    draw_start_error(place)


def draw_start_error(place: str) -> None:
    """Show once what prevented a start, a stop or a resumption at this place."""
    if error := st.session_state.pop(f"{_ERROR}{place}", None):
        show_error(error)


def start_training(name: str, place: str = "") -> None:
    """Start a recipe, or resume the run with this id; for the callback of a button, after which the page is drawn anew."""
    _act(place, opened_store.training().start, name)


def _act(place: str, action: Callable[..., None], *arguments: str) -> None:
    """Start, stop or resume a training; what prevents it is shown with the status at this place."""
    try:
        action(*arguments)
    except (OSError, ReadOnlyError, UnsafePathError) as error:
        st.session_state[f"{_ERROR}{place}"] = str(error)


def _active_runs() -> pd.DataFrame:
    runs = opened_store.reader().runs.all()
    return runs[runs["state"] == RunState.RUNNING]


def store_has_active_training() -> bool:
    """Return whether a training writes to the store now, one that was started from here or anywhere else."""
    return opened_store.training().phase in (Phase.RUNNING, Phase.STOPPING) or not _active_runs().empty


@show_errors_of_fragment
def _draw_progress() -> None:
    """Draw the progress of the runs under way; rerun the app when a new epoch has been measured, or the training has ended."""
    training, active = opened_store.training(), _active_runs()
    phase = training.phase
    if phase is Phase.RUNNING and active.empty:
        _draw_start(training)
    seconds = opened_store.reader().runs.seconds_per_epoch(list(active["run_id"])) if len(active) else pd.DataFrame()
    rates: dict[str, float] = dict(seconds.itertuples(index=False))
    for run in active.to_dict("records"):
        share = min(run["epochs_done"] / max(run["epochs"], 1), 1.0)
        st.progress(share, _progress_text(run, rates.get(run["run_id"])))
    content = content_of_pages()
    if st.session_state.setdefault(CONTENT, content) != content:
        st.rerun(scope="app")


def _draw_start(training: Training) -> None:
    """Say what happens before the first run is in the store, and after a while what the log says."""
    st.progress(0.0, "Starting the training …")
    st.caption(
        "PyTorch is loaded, then the untrained networks are measured. The first numbers come after about half a minute, on a "
        "busy machine after two minutes."
    )
    waited = training.seconds_since_start
    if waited is not None and waited >= _PATIENCE_SECONDS:
        line = training.last_log_line()
        log_text = f"the log's last line: {escape_markdown(line)}" if line else "the log is still empty"
        st.caption(f"Started {escape_markdown(in_words(waited))} ago; {log_text}")


def _progress_text(run: dict, seconds_per_epoch: float | None) -> Markdown:
    """Return the progress of a run in words, with the time that is left once epochs have been timed."""
    objective, done, epochs = escape_markdown(run["objective"].upper()), run["epochs_done"], run["epochs"]
    text = f"{objective}: epoch {escape_markdown(done)} of {escape_markdown(epochs)}"
    if done == 0:
        return f"{text}, measuring the untrained network"
    if seconds_per_epoch is None or not seconds_per_epoch > 0:
        return text
    return f"{text}, about {escape_markdown(in_words(seconds_per_epoch * max(epochs - done, 0)))} left"


def _draw_stopping(training: Training, place: str) -> None:
    """Answer a click on Stop until the processes have ended."""
    is_overdue = training.is_stop_overdue
    st.button(
        "Stop again" if is_overdue else "Stopping …",
        key=f"stop_training{place}",
        icon=":material/stop:" if is_overdue else ":material/hourglass_top:",
        on_click=_act,
        args=(place, training.stop),
        disabled=not is_overdue,
    )
    st.caption(
        "The processes write what they have measured and end, usually within half a minute. The epoch under way is trained again "
        "when the training is resumed."
    )


def _draw_end(training: Training, phase: Phase, place: str) -> None:
    """Say how the training ended, and offer to go on."""
    st.caption(_ENDS[phase] if phase is Phase.FINISHED else f"{_ENDS[phase]} {_what_is_kept()}")
    if code := training.exit_code_if_failed:
        st.caption(f"Its process ended with exit code {code:d}.")
    if phase is Phase.FAILED and (tail := training.log_tail()):
        with st.expander("Last lines of the log", expanded=True):
            st.code(tail, language=None, wrap_lines=True)
    with st.container(horizontal=True):
        if offers_to_go_on(training):
            label = "Resume training" if phase is Phase.STOPPED else "Try again"
            st.button(
                label,
                key=f"resume_training{place}",
                icon=":material/play_arrow:",
                on_click=_act,
                args=(place, training.start_last_again),
                help="Finished runs are skipped. The others go on after their last saved epoch, with the same numbers as without "
                "the stop.",
            )
        st.button("Dismiss", key=f"dismiss_training{place}", icon=":material/close:", on_click=training.dismiss_end)


def offers_to_go_on(training: Training) -> bool:
    """Return whether the status offers to go on with a training that ended before its time, so that no other offer is needed."""
    return training.phase in (Phase.STOPPED, Phase.FAILED) and training.can_resume


def _what_is_kept() -> Markdown:
    """Say what is left of a training that ended before its time."""
    runs = opened_store.reader().runs.all()
    measured = opened_store.reader().metrics.value_counts_by_run()["run_id"]
    of_store = set() if runs.empty else set(runs[~runs["published"].astype(bool)]["run_id"])
    return "All measured epochs are kept." if of_store & set(measured) else "No epoch had been measured yet."


def content_of_pages() -> Hashable:
    """Return a value that changes with the pages' content: runs, their notes and measured epochs, and the training's state."""
    training = opened_store.training()
    return training.phase, training.is_stop_overdue, _content_of_store()


@cached_until_store_changes
def _content_of_store() -> Hashable:
    """Return a value that changes with runs, their notes and measured epochs, but not with heartbeats."""
    reader = opened_store.reader()
    with reader.kept_open():
        runs, counts = reader.runs.all(), reader.metrics.value_counts_by_run()
    if runs.empty:
        return ()
    rows = zip(runs["run_id"], runs["state"], runs["archived"], map(tuple, runs["tags"]), runs["note"], strict=True)
    return (*rows, *counts["metrics"])
