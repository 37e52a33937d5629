"""What a session holds of the work that it asked for: look at it as often as you like, stop it at any time."""

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
    """Where the work stands."""

    QUEUED = "queued"
    LOADING = "loading"
    """The worker starts, or loads the network and the images."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """By `stop`; `result` is what was done until then, None where that was nothing."""
    FAILED = "failed"


ENDED = frozenset({TicketState.DONE, TicketState.STOPPED, TicketState.FAILED})


class Ticket:
    """One request under way. Every look at `state` says that somebody still waits for it."""

    def __init__(
        self,
        request: Request,
        stop: Callable[["Ticket"], None],
        place: Callable[["Ticket"], int],
        look: Callable[[], None] = lambda: None,
        visitor: tuple[str, str] = ("", ""),
    ) -> None:
        """Tickets are made by `LabClient.submit`. `look` is called at every look; `visitor` is a session and an address."""
        self.request = request
        self.visitor = visitor
        self.done, self.total = 0, 0
        """Rounds taken and to take; 0 of 0 until the work has begun."""
        self.result: Result | None = None
        self.error: str | None = None
        """Why it failed or was stopped by others than the one who asked, and what to do."""
        self.from_cache = False
        self._state = TicketState.QUEUED
        self._stop, self._place, self._look = stop, place, look
        self._rows: list[dict[str, Any]] = []
        self._looked_at = self._began = time.monotonic()
        self._ended, self._ending = threading.Event(), threading.Lock()

    @property
    def state(self) -> TicketState:
        """Where the work stands."""
        self._looked_at = time.monotonic()
        if self._state not in ENDED:
            self._look()
        return self._state

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED

    @property
    def place(self) -> int | None:
        """How many are served before this one, the one under way included; None once it is under way itself."""
        return self._place(self) if self.state is TicketState.QUEUED else None

    @property
    def seconds_left(self) -> float | None:
        """From the pace so far; None before the first round."""
        if self._state is not TicketState.RUNNING or not self.done:
            return None
        return self.running_seconds / self.done * (self.total - self.done)

    @property
    def partial(self) -> pd.DataFrame:
        """The rows of `AttackResult.frames` so far; empty for other requests."""
        return pd.DataFrame(list(self._rows))

    def stop(self) -> None:
        """Ask for the end after the round under way; what waits in the queue leaves it at once."""
        self._stop(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; whether it came. Who waits counts as looking."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self._ended.wait(min(max(until - time.monotonic(), 0.0), _LOOK_SECONDS)):
            self._looked_at = time.monotonic()
            self._look()
            if self._looked_at >= until:
                return False
        return True

    # What follows is the client's.

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come; not a look."""
        return self._state in ENDED

    @property
    def is_whole(self) -> bool:
        """Whether it was done to its end; not a look."""
        return self._state is TicketState.DONE

    @property
    def running_seconds(self) -> float:
        """Since the first round began."""
        return time.monotonic() - self._began

    def answer(self, result: Result) -> None:
        """Somebody asked the same before."""
        self.from_cache = True
        self.end(TicketState.DONE, result)

    def unseen_for(self) -> float:
        """Seconds since somebody looked."""
        return time.monotonic() - self._looked_at

    def load(self) -> None:
        """It is this one's turn."""
        with self._ending:
            if self._state not in ENDED:
                self._state = TicketState.LOADING

    def advance(self, done: int, total: int, row: dict[str, Any] | None) -> None:
        """Note the rounds done, and a frame's row."""
        with self._ending:
            if self._state in ENDED:
                return
            if self._state is not TicketState.RUNNING:
                self._state, self._began = TicketState.RUNNING, time.monotonic()
        self.done, self.total = done, total
        if row is not None and len(self._rows) < _MOST_ROWS:
            self._rows.append(row)

    def end(self, state: TicketState, result: Result | None = None, error: str | None = None) -> None:
        """Nothing more will come; what ended stays as it ended."""
        with self._ending:
            if self._state in ENDED:
                return
            self.result, self.error = result, error
            self._state = state
            self._ended.set()
