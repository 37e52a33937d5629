"""The jobs of a visitor: kept for the session, and under random tokens in the address, so that a reload finds them again.

A token in the address stands for one job, and only until the lab knows the result, which is then shown for its request. Who was
not given the address cannot guess it.

Tested by tests/pages/test_jobs_under_way.py.
"""

import secrets
from collections.abc import Callable

import streamlit as st

from rnc.lab.job import Job, JobState, job_of_token
from rnc.lab.request_base import Request
from rnc.ui.lab.source_labels import class_names

JOB_PARAMETER = "lab_job"
_JOBS, _SUBMITTED, _SESSION = "lab_jobs", "lab_submitted", "lab_session"
_MOST_TOKENS = 8


def session_id() -> str:
    """Return the random name under which the lab counts this visitor's jobs."""
    name: str = st.session_state.setdefault(_SESSION, secrets.token_hex(16))
    return name


def remember(job: Job) -> None:
    """Count a job as one of this visitor."""
    jobs: list[Job] = st.session_state.setdefault(_SUBMITTED, [])
    jobs[:] = [*(one for one in jobs if not one.ended), job]


def jobs_under_way() -> int:
    """Return how many jobs of this visitor wait or are under way."""
    return sum(not job.ended for job in st.session_state.get(_SUBMITTED, []))


def last_job_by_activity() -> dict[str, tuple[Job, list[str]]]:
    """Return the session's last job of each activity, with the names of the classes."""
    return st.session_state.setdefault(_JOBS, {})


def adopt_jobs_of_address(activity_of: Callable[[Request], str | None]) -> None:
    """Take over the jobs whose tokens are in the address of a new session; `activity_of` names the activity of a request."""
    if _JOBS in st.session_state:
        return
    jobs = last_job_by_activity()
    for token in st.query_params.get_all(JOB_PARAMETER)[:_MOST_TOKENS]:
        job = job_of_token(token)
        activity = None if job is None else activity_of(job.request)
        if job is None or activity is None:
            continue
        jobs[activity] = job, class_names(job.request.sources[0].run_id)
        if job.session:
            st.session_state[_SESSION] = job.session
        remember(job)


def write_address() -> None:
    """Put the tokens of the session's jobs that are under way or were stopped into the address.

    The result of a job that was done needs no token: the lab knows it by its request.
    """
    tokens = [
        job.token for job, _names in last_job_by_activity().values() if not job.ended or job.state is JobState.STOPPED
    ]
    if tokens == st.query_params.get_all(JOB_PARAMETER):
        return
    if tokens:
        st.query_params[JOB_PARAMETER] = tokens
    else:
        st.query_params.pop(JOB_PARAMETER)
