"""The server's job queue as the pages use it: submission of a request, its progress, and its answer.

Tested by tests/pages/test_attack_lab.py.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from rnc.lab.job import Job, JobState
from rnc.lab.job_queue import JobQueue, JobRefusedError
from rnc.lab.request_base import Request
from rnc.lab.result_base import Result
from rnc.store.addresses import gallery_path, store_path
from rnc.ui.errors import show_error, show_errors_of_fragment
from rnc.ui.lab import session_jobs
from rnc.ui.lab.job_progress import describe_duration, draw_progress
from rnc.ui.markdown import MAX_MESSAGE_LENGTH, Markdown, escape_markdown

_POLL_SECONDS = 0.5  # between updates of the progress
_ESTIMATE_SECONDS = 2.0  # between updates of the estimate
_PREPARED = "lab_prepared"


@dataclass(frozen=True)
class Answer:
    """A result, its request, and the names of the classes at that time."""

    request: Request
    result: Result
    classes: list[str]


@dataclass(frozen=True)
class RequestOfForm:
    """The request that a page's form makes now, or the reason why there is none, and why it cannot be run."""

    request: Request | None
    problem: str | None = None
    """Advice on what to change before the request can be run; None if nothing."""


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
    try:
        job = job_queue().submit(request, session_jobs.session_id(), st.context.ip_address or "")
    except JobRefusedError as error:
        show_error(str(error), icon=":material/hourglass:")
        return None
    session_jobs.remember(job)
    return job


@st.fragment(run_every=_POLL_SECONDS)
@show_errors_of_fragment
def poll(jobs: Sequence[Job], draw_state: Callable[[], None]) -> None:
    """Draw the progress of jobs again and again, and draw the page again when all have ended.

    A job that is not polled is stopped after some minutes, because its page is closed.
    """
    for job in jobs:
        job_queue().touch(job)
    if all(job.ended for job in jobs):
        st.rerun(scope="app")
    draw_state()


def draw_job(activity: str, form: RequestOfForm, classes: list[str], label: Markdown) -> Answer | None:
    """Draw the button that runs a request, and its progress; return the answer to the last request of `activity`, or None.

    A result that the lab already knows appears without a click, so a shared URL shows its result.
    """
    request, jobs = form.request, session_jobs.last_job_by_activity()
    job = jobs[activity][0] if activity in jobs else None
    is_pressed = st.session_state.pop(_pressed(activity), False) and form.problem is None
    if request is not None and (is_pressed or (not _answers(job, request) and job_queue().estimate(request) == 0.0)):
        _submit(activity, request, classes)
    job, names = jobs.get(activity, (None, classes))
    under_way = job is not None and not job.ended
    session_jobs.write_address()
    with st.container(horizontal=True, vertical_alignment="center"):
        # A callback notes the press, because one during a script run that the next one interrupts would be lost. It does not
        # submit the request, because this one is of before what was changed immediately before the press.
        st.button(
            label,
            type="primary",
            icon=":material/bolt:",
            key=f"lab_run_{activity}",
            disabled=under_way or request is None or form.problem is not None,
            on_click=_note_press,
            args=(activity,),
        )
        if form.problem is not None:
            st.markdown(f":material/block: {escape_markdown(form.problem, MAX_MESSAGE_LENGTH)}.", width="content")
        elif request is not None and not under_way and not _answers(job, request):
            _draw_estimate(request)
    if job is None:
        st.caption("Set up an attack and run it: its effect on the network's geometry appears here.")
        return None
    if under_way:
        poll([job], lambda: draw_progress(job_queue(), activity, job))
        return None
    return _answer(job, request, names)


def _answers(job: Job | None, request: Request | None) -> bool:
    """Return whether a job is one of this request."""
    return job is not None and request is not None and job.request.key == request.key


def _answer(job: Job, request: Request | None, names: list[str]) -> Answer | None:
    """Return the result of an ended job, with a message if it does not fully answer `request`."""
    if job.state is JobState.FAILED:
        show_error(job.error or "The attack failed.")
    elif job.error:
        st.info(escape_markdown(job.error, MAX_MESSAGE_LENGTH), icon=":material/stop_circle:")
    elif job.result is None:
        st.info("The attack was stopped before its first step.", icon=":material/stop_circle:")
    elif not _answers(job, request):
        st.warning(
            "These are the results of the previous request; run the one above to replace them.",
            icon=":material/history:",
        )
    return None if job.result is None else Answer(job.request, job.result, names)


def _pressed(activity: str) -> str:
    """Return the key of the session's state that is True from a press of the button until its request is submitted."""
    return f"lab_pressed_{activity}"


def _note_press(activity: str) -> None:
    st.session_state[_pressed(activity)] = True


def _submit(activity: str, request: Request, classes: list[str]) -> None:
    """Put a request into the queue; if it is not accepted, keep the previous job."""
    if (job := submit(request)) is not None:
        session_jobs.last_job_by_activity()[activity] = job, classes


@st.fragment(run_every=_ESTIMATE_SECONDS)
@show_errors_of_fragment
def _draw_estimate(request: Request) -> None:
    """Show how long the request will take; the lab measures the network's speed while the user fills in the form."""
    queue = job_queue()
    if queue.estimate(request) is None and st.session_state.get(_PREPARED) != request.sources:
        st.session_state[_PREPARED] = request.sources
        for source in request.sources:
            queue.measure_when_idle(source)
    st.caption(describe_duration(queue, request, session_jobs.jobs_under_way()), width="content")
