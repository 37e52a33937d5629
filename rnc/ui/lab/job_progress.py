"""Display of a job under way: its state, its steps so far, and the button to stop it; the expected duration before that.

Tested by tests/pages/test_jobs_under_way.py.
"""

import streamlit as st

from rnc.conditions import Condition
from rnc.durations import in_words
from rnc.lab.attack import AttackRequest
from rnc.lab.job import Job, JobState
from rnc.lab.job_queue import JobQueue
from rnc.lab.request_base import Request
from rnc.lab.strength_curve import StrengthCurveRequest
from rnc.ui.charts.attack_steps import step_panel
from rnc.ui.figures import draw_chart
from rnc.ui.lab.feature_film_frames import frame_names
from rnc.ui.lab.style import UNDER_WAY
from rnc.ui.markdown import Markdown, escape_markdown


def draw_progress(queue: JobQueue, activity: str, job: Job) -> None:
    """Show the state of a job, the metrics of its steps so far, and the button to stop it."""
    left, right = st.container(key=UNDER_WAY).columns([5, 1], vertical_alignment="center")
    left.progress(job.share_done, describe_progress(queue, job))
    # The button uses a callback, because a press during a script run that the next one interrupts would be lost.
    right.button(
        "Leave" if job.state is JobState.QUEUED else "Stop",
        key=f"lab_stop_{activity}",
        icon=":material/stop:",
        on_click=queue.stop,
        args=(job,),
        disabled=job.end_request is not None,
    )
    frames = job.frames
    if len(frames) > 1:
        named = frames.assign(frame=frame_names(frames))
        for column, metric in zip(st.columns(3), ("loss", "accuracy", "nc1"), strict=True):
            values = named.rename(columns={metric: "value"})[["frame", "value"]]
            panel = step_panel(values, metric, list(named["frame"]))
            draw_chart(column, panel, f"{metric} so far", key=f"lab_partial_{metric}")


def describe_progress(queue: JobQueue, job: Job) -> Markdown:
    """Describe the state of a job in words."""
    if job.end_request is not None:
        return "Stopping after this step …"
    if job.state is JobState.QUEUED:
        place = queue.place(job)
        return f"In the queue, {place:d} before this one" if place else "Its turn is next"
    if job.state is JobState.LOADING or not job.total:
        return "Loading the network and the images …"
    left = job.seconds_left
    words = describe_step(job.request, job.done, job.total)
    return words + ("" if left is None else f" · about {escape_markdown(in_words(left))} left")


def describe_step(request: Request, done: int, total: int) -> Markdown:
    """Return the place of a request after `done` of `total` rounds; a round is the start of an attack, or one of its steps."""
    if isinstance(request, AttackRequest):
        return _describe_attack_step(request.condition, done, total)
    if isinstance(request, StrengthCurveRequest):
        return _describe_strength(request, done)
    return f"step {done:d} of {total:d}"


def _describe_attack_step(condition: Condition, done: int, total: int) -> Markdown:
    starts = condition.restarts
    each = max(total // starts, 1)
    passed = done - min(-(-done // each), starts)
    return f"step {passed:d} of {total - starts:d}"


def _describe_strength(request: StrengthCurveRequest, done: int) -> Markdown:
    rounds = [condition.num_points_over_restarts for condition in request.conditions] * len(request.sources)
    number = 1
    while number < len(rounds) and sum(rounds[:number]) <= done:
        number += 1
    network, value = divmod(number - 1, len(request.values))
    words = f"value {value + 1:d} of {len(request.values):d}"
    return words if len(request.sources) == 1 else f"network {network + 1:d} of {len(request.sources):d}, {words}"


def describe_duration(queue: JobQueue, request: Request, of_visitor: int) -> Markdown:
    """Return how long a request will take, and after which jobs; `of_visitor` of those are the visitor's."""
    seconds = queue.estimate(request)
    if seconds is None:
        duration = "duration unknown before the first run"
    elif seconds > queue.limits.request_seconds:
        most = escape_markdown(in_words(queue.limits.request_seconds))
        duration = f"takes about {escape_markdown(in_words(seconds))}: longer than the limit of {most} for one request"
    else:
        duration = f"takes about {escape_markdown(in_words(seconds))}" if seconds else "the result is known"
    return f":material/timer: {duration}{_jobs_before(of_visitor, max(queue.length - of_visitor, 0))}"


def _jobs_before(of_visitor: int, others: int) -> Markdown:
    """Return after how many jobs of the visitor and of others a request would run."""
    mine = f"{of_visitor:d} {'job' if of_visitor == 1 else 'jobs'} of yours"
    rest = f"{others:d} other {'job' if others == 1 else 'jobs'}"
    if of_visitor and others:
        return f", after {mine} and {rest}"
    if of_visitor:
        return f", after {mine}"
    return f", after {rest}" if others else ""
