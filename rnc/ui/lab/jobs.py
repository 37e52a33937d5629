"""The session's jobs in the lab: submission, progress, and answers.

Tested by tests/pages/test_attack_lab.py.
"""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from rnc.durations import in_words
from rnc.lab.job import Job, JobState
from rnc.lab.job_queue import JobQueue, JobRefusedError
from rnc.lab.requests import Request
from rnc.lab.results import Result
from rnc.store.addresses import gallery_path, store_path
from rnc.ui.charts.attack_steps import step_panel
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.figures import draw_chart
from rnc.ui.lab.feature_film_frames import frame_names
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown

_POLL_SECONDS = 0.5  # between updates of the progress
_ESTIMATE_SECONDS = 2.0  # between updates of the estimate
_JOBS, _PREPARED, _SESSION = "lab_jobs", "lab_prepared", "lab_session"


@dataclass(frozen=True)
class Answer:
    """A result, its request, and the names of the classes at that time."""

    request: Request
    result: Result
    classes: list[str]


_queues: list[JobQueue] = []
_queues_lock = threading.Lock()


def job_queue() -> JobQueue:
    """Return the only job queue of this server, shared by all sessions.

    It is not kept in Streamlit's cache, because any visitor's browser can clear that, and each time another worker process
    would start.
    """
    with _queues_lock:
        if not _queues or _queues[0].closed:
            _queues[:] = [JobQueue(folders=_folders)]
        return _queues[0]


def _folders() -> list[Path]:
    """Return the folders from which networks are read: the store's folder, and the gallery."""
    gallery = gallery_path()
    return [store_path().resolve().parent, *([] if gallery is None else [gallery])]


def submit(request: Request) -> Job | None:
    """Submit a request to the lab for this visitor; if it is not accepted, show why and return None."""
    session = st.session_state.setdefault(_SESSION, secrets.token_hex(16))
    try:
        return job_queue().submit(request, session, st.context.ip_address or "")
    except JobRefusedError as error:
        show_error(str(error), icon=":material/hourglass:")
        return None


@st.fragment(run_every=_POLL_SECONDS)
@show_errors_of_fragment
def poll(jobs: Sequence[Job], draw_progress: Callable[[], None]) -> None:
    """Draw the progress of jobs again and again, and draw the page again when all have ended.

    A job that is not polled is stopped after some minutes, because its page is closed.
    """
    for job in jobs:
        job_queue().touch(job)
    if all(job.ended for job in jobs):
        st.rerun(scope="app")
    draw_progress()


def draw_job(activity: str, request: Request, classes: list[str], label: Markdown) -> Answer | None:
    """Draw the button that runs a request, and its progress; return the answer to the last request of `activity`, or None.

    A result that the lab already knows appears without a click, so a shared URL shows its result.
    """
    job, names = _jobs().get(activity, (None, classes))
    if (job is None or job.request.key != request.key) and job_queue().estimate(request) == 0.0:
        _submit(activity, request, classes)
        job, names = _jobs().get(activity, (None, classes))
    under_way = job is not None and not job.ended
    with st.container(horizontal=True, vertical_alignment="center"):
        # The button uses a callback, because a press during a script run that the next one interrupts would be lost.
        st.button(
            label,
            type="primary",
            icon=":material/bolt:",
            key=f"lab_run_{activity}",
            disabled=under_way,
            on_click=_submit,
            args=(activity, request, classes),
        )
        if not under_way and (job is None or job.request.key != request.key):
            _draw_estimate(request)
    if job is None:
        st.caption("Set up an attack and run it: its effect on the network's geometry appears here.")
        return None
    if under_way:
        poll([job], lambda: _draw_progress(activity, job))
        return None
    return _answer(job, request, names)


def _answer(job: Job, request: Request, names: list[str]) -> Answer | None:
    """Return the result of an ended job, with a message if it does not fully answer `request`."""
    if job.state is JobState.FAILED:
        show_error(job.error or "The attack failed.")
    elif job.error:
        st.info(escape_markdown(job.error, MAX_MESSAGE_LENGTH), icon=":material/stop_circle:")
    elif job.result is None:
        st.info("The attack was stopped before its first round.", icon=":material/stop_circle:")
    elif job.request.key != request.key:
        st.warning(
            "These are the results of the previous request; run the one above to replace them.",
            icon=":material/history:",
        )
    return None if job.result is None else Answer(job.request, job.result, names)


def _jobs() -> dict[str, tuple[Job, list[str]]]:
    """Return the session's last job of each activity, with the names of the classes."""
    return st.session_state.setdefault(_JOBS, {})


def _submit(activity: str, request: Request, classes: list[str]) -> None:
    """Put a request into the queue; if it is not accepted, keep the previous job."""
    if (job := submit(request)) is not None:
        _jobs()[activity] = job, classes


@st.fragment(run_every=_ESTIMATE_SECONDS)
@show_errors_of_fragment
def _draw_estimate(request: Request) -> None:
    """Show how long the request will take; the lab measures the network's speed while the user fills in the form."""
    queue = job_queue()
    seconds, length = queue.estimate(request), queue.length
    if seconds is None and st.session_state.get(_PREPARED) != request.sources[0]:
        st.session_state[_PREPARED] = request.sources[0]
        queue.measure_when_idle(request.sources[0])
    if seconds is None:
        duration = "the duration is not known yet"
    elif seconds > queue.limits.request_seconds:
        most = escape_markdown(in_words(queue.limits.request_seconds))
        duration = f"takes about {escape_markdown(in_words(seconds))}: longer than the limit of {most} for one request"
    else:
        duration = f"takes about {escape_markdown(in_words(seconds))}" if seconds else "the result is known"
    waiting = f", after {length:d} other {'attacks' if length > 1 else 'attack'}" if length else ""
    st.caption(f":material/timer: {duration}{waiting}", width="content")


def _draw_progress(activity: str, job: Job) -> None:
    """Show the state of a job, the metrics of its steps so far, and the button to stop it."""
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.progress(job.share_done, _status(job))
    is_queued = job.state is JobState.QUEUED
    if right.button("Leave" if is_queued else "Stop", key=f"lab_stop_{activity}", icon=":material/stop:"):
        job_queue().stop(job)
    frames = job.frames
    if len(frames) > 1:
        named = frames.assign(frame=frame_names(frames))
        for column, metric in zip(st.columns(3), ("loss", "accuracy", "nc1"), strict=True):
            panel = step_panel(
                named.rename(columns={metric: "value"})[["frame", "value"]], metric, list(named["frame"])
            )
            draw_chart(column, panel, f"{metric} so far", key=f"lab_partial_{metric}")


def _status(job: Job) -> Markdown:
    """Describe the state of a job in words."""
    if job.state is JobState.QUEUED:
        place = job_queue().place(job)
        return f"In the queue, {place:d} before this one" if place else "Its turn is next"
    if job.state is JobState.LOADING or not job.total:
        return "Loading the network and the images …"
    left = job.seconds_left
    words = f"round {job.done:d} of {job.total:d}"
    return words + ("" if left is None else f" · about {escape_markdown(in_words(left))} left")
