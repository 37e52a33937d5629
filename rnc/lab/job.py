"""A job of the lab: a submitted request with its state, its progress and, in the end, its result or error.

Tested by tests/rnc/lab/test_job_queue.py.
"""

import secrets
import threading
import time
import weakref
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from rnc.lab.request_base import MOST_FRAMES, MOST_RESTARTS, Request
from rnc.lab.result_base import Result

_MOST_ROWS = MOST_FRAMES + MOST_RESTARTS + 2


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    LOADING = "loading"
    """The worker starts, or loads the network and the images."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Ended by a request to stop; `result` holds the work done until then, or None if there is none."""
    FAILED = "failed"


_ENDED = frozenset({JobState.DONE, JobState.STOPPED, JobState.FAILED})


@dataclass(frozen=True)
class EndRequest:
    """The request to end a job before its work is done, in a state and for a reason that the page shows."""

    state: JobState
    reason: str | None
    requested_at: float


class Job:
    """A submitted request. Any thread may read it; only `JobQueue` changes it, except for `touch`."""

    def __init__(self, request: Request, session: str = "", address: str = "") -> None:
        """Create a queued job of the visitor with this session and network address; only `JobQueue.submit` does so."""
        self.request = request
        self.token = secrets.token_urlsafe(16)
        """A random text under which a visitor finds the job again; see `job_of_token`."""
        self.session = session
        self.address = address
        self.state = JobState.QUEUED
        self.done = 0
        """Completed rounds."""
        self.total = 0
        """Total rounds; 0 until the work has begun."""
        self.result: Result | None = None
        self.error: str | None = None
        """The reason for a failure, or for a stop by the lab, and what to do."""
        self.from_cache = False
        self.end_request: EndRequest | None = None
        self._rows: list[dict[str, Any]] = []
        self._touched_at = self._work_began_at = self._first_round_at = time.monotonic()
        self._changing = threading.Lock()
        _BY_TOKEN[self.token] = self

    @property
    def ended(self) -> bool:
        """True if the job has ended."""
        return self.state in _ENDED

    @property
    def running_seconds(self) -> float:
        """Seconds since the first round began."""
        return time.monotonic() - self._first_round_at

    @property
    def working_seconds(self) -> float:
        """Seconds since it was this job's turn, which include loading."""
        return time.monotonic() - self._work_began_at

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, from the speed so far; None before the first round is done."""
        if self.state is not JobState.RUNNING or not self.done:
            return None
        return self.running_seconds / self.done * (self.total - self.done)

    @property
    def share_done(self) -> float:
        """The share of the rounds that are completed, from 0 to 1; 1 for an ended job whose rounds are not known."""
        return min(self.done / self.total, 1.0) if self.total else float(self.ended)

    @property
    def frames(self) -> pd.DataFrame:
        """The rows of `AttackResult.frames` so far; empty for other requests."""
        return pd.DataFrame(list(self._rows))

    @property
    def seconds_untouched(self) -> float:
        """Seconds since the last call of `touch`."""
        return time.monotonic() - self._touched_at

    def touch(self) -> None:
        """Record that somebody still waits for this job. `JobQueue.touch` also keeps the queue running."""
        self._touched_at = time.monotonic()

    def enter_loading_state(self) -> None:
        """Enter the loading state, when it is this job's turn."""
        with self._changing:
            if not self.ended:
                self._work_began_at = time.monotonic()
                self.state = JobState.LOADING

    def advance(self, done: int, total: int, row: dict[str, Any] | None) -> None:
        """Record the completed rounds and, if given, the row of a frame."""
        with self._changing:
            if self.ended:
                return
            if self.state is not JobState.RUNNING:
                self._first_round_at = time.monotonic()
                self.state = JobState.RUNNING
        self.done = done
        self.total = total
        if row is not None and len(self._rows) < _MOST_ROWS:
            self._rows.append(row)

    def request_end(self, state: JobState = JobState.STOPPED, reason: str | None = None) -> None:
        """Ask that the job ends after the current round; the first such request counts."""
        with self._changing:
            if self.end_request is None:
                self.end_request = EndRequest(state, reason, time.monotonic())

    def end_early(self, result: Result | None = None) -> None:
        """End the job as its end request states, or as stopped if there is none."""
        if self.end_request is None:
            self.end(JobState.STOPPED, result)
        else:
            self.end(self.end_request.state, result, self.end_request.reason)

    def end_from_cache(self, result: Result) -> None:
        """End the job with the result of an earlier equal request."""
        self.from_cache = True
        self.end(JobState.DONE, result)

    def end(self, state: JobState, result: Result | None = None, error: str | None = None) -> None:
        """End the job; a job that has already ended does not change."""
        with self._changing:
            if self.ended:
                return
            self.result = result
            self.error = error
            self.state = state


_BY_TOKEN: weakref.WeakValueDictionary[str, Job] = weakref.WeakValueDictionary()
"""The jobs that the queue or a session still holds."""


def job_of_token(token: str) -> Job | None:
    """Return the job with this token; None if there is none, or if neither the queue nor a session holds it any more."""
    return _BY_TOKEN.get(token)
