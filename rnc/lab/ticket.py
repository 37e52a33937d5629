"""The session's handle on a submitted request: read its state as often as needed, and stop it at any time."""

import math
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pandas as pd

from rnc.lab.requests import MOST_FRAMES, MOST_RESTARTS, Request
from rnc.lab.results import Result

_LOOK_SECONDS = 0.2
_MOST_ROWS = MOST_FRAMES + MOST_RESTARTS + 2


class TicketState(StrEnum):
    """The state of a request's work."""

    QUEUED = "queued"
    LOADING = "loading"
    """The worker starts, or loads the network and the images."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """Ended by `stop`; `result` holds the work done until then, or None if there is none."""
    FAILED = "failed"


ENDED = frozenset({TicketState.DONE, TicketState.STOPPED, TicketState.FAILED})


class Ticket:
    """A submitted request. Each reading of `state` shows that a visitor still waits for it."""

    def __init__(
        self,
        request: Request,
        stop: Callable[["Ticket"], None],
        place: Callable[["Ticket"], int],
        look: Callable[[], None] = lambda: None,
        visitor: tuple[str, str] = ("", ""),
    ) -> None:
        """Create a ticket; only `LabClient.submit` does so.

        `look` is called each time the state is read while the request is under way; `visitor` is a session and an address.
        """
        self.request = request
        self.visitor = visitor
        self.done, self.total = 0, 0
        """Completed and total rounds; both are 0 until the work has begun."""
        self.result: Result | None = None
        self.error: str | None = None
        """The reason for a failure, or for a stop by the client, and what to do."""
        self.from_cache = False
        self._state = TicketState.QUEUED
        self._stop, self._place, self._look = stop, place, look
        self._rows: list[dict[str, Any]] = []
        self._looked_at = self._began = time.monotonic()
        self._ended, self._ending = threading.Event(), threading.Lock()

    @property
    def state(self) -> TicketState:
        """The state of the work. Reading it also records that a visitor still waits."""
        self._looked_at = time.monotonic()
        if self._state not in ENDED:
            self._look()
        return self._state

    @property
    def ended(self) -> bool:
        """True if the request has ended. Reading it counts as reading `state`."""
        return self.state in ENDED

    @property
    def place(self) -> int | None:
        """The number of requests that are served first, including the current one; None if this one is no longer queued."""
        return self._place(self) if self.state is TicketState.QUEUED else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, from the pace so far; None before the first round is done."""
        if self._state is not TicketState.RUNNING or not self.done:
            return None
        return self.running_seconds / self.done * (self.total - self.done)

    @property
    def partial(self) -> pd.DataFrame:
        """The rows of `AttackResult.frames` so far; empty for other requests."""
        return pd.DataFrame(list(self._rows))

    def stop(self) -> None:
        """Stop after the current round; a queued request leaves the queue at once."""
        self._stop(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most this many seconds, and return whether it came. Waiting counts as reading `state`."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self._ended.wait(min(max(until - time.monotonic(), 0.0), _LOOK_SECONDS)):
            self._looked_at = time.monotonic()
            self._look()
            if self._looked_at >= until:
                return False
        return True

    # The client calls the following members.

    @property
    def is_over(self) -> bool:
        """True if the request has ended; reading this does not count as reading `state`."""
        return self._state in ENDED

    @property
    def is_whole(self) -> bool:
        """True if the request was completed; reading this does not count as reading `state`."""
        return self._state is TicketState.DONE

    @property
    def running_seconds(self) -> float:
        """Seconds since the first round began."""
        return time.monotonic() - self._began

    def answer(self, result: Result) -> None:
        """End with the cached result of an equal request."""
        self.from_cache = True
        self.end(TicketState.DONE, result)

    def unseen_for(self) -> float:
        """Return the seconds since the state was last read."""
        return time.monotonic() - self._looked_at

    def load(self) -> None:
        """Enter the loading state, when it is this ticket's turn."""
        with self._ending:
            if self._state not in ENDED:
                self._state = TicketState.LOADING

    def advance(self, done: int, total: int, row: dict[str, Any] | None) -> None:
        """Record the completed rounds and, if given, the row of a frame."""
        with self._ending:
            if self._state in ENDED:
                return
            if self._state is not TicketState.RUNNING:
                self._state, self._began = TicketState.RUNNING, time.monotonic()
        self.done, self.total = done, total
        if row is not None and len(self._rows) < _MOST_ROWS:
            self._rows.append(row)

    def end(self, state: TicketState, result: Result | None = None, error: str | None = None) -> None:
        """End the ticket; a ticket that has already ended does not change."""
        with self._ending:
            if self._state in ENDED:
                return
            self.result, self.error = result, error
            self._state = state
            self._ended.set()
