"""The dispatcher: passes one request at a time to the worker, which it starts when needed and restarts after its end."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rnc import log
from rnc.durations import in_words
from rnc.lab import results, wire
from rnc.lab.cache import ResultCache
from rnc.lab.child import Child, WorkerGoneError
from rnc.lab.estimates import Paces, passes
from rnc.lab.limits import SECONDS_VARIABLE, Limits
from rnc.lab.requests import Request, Source, source_to_json, to_json
from rnc.lab.ticket import Ticket, TicketState

_FIRST_START_SECONDS = 5.0  # about the time that importing torch takes, until a start has been measured

_CLOSED = "The app was closed."

Tick = Callable[[Ticket], None]


@dataclass(frozen=True)
class _Ending:
    """The request to end a ticket before its work is done."""

    state: TicketState
    reason: str | None
    wanted_at: float


class _EndedByForceError(Exception):
    """Error raised if the worker did not stop in time."""


class Dispatcher:
    """The owner of the worker process.

    Only one thread may call `work_on` and `measure_pace`; any thread may call the other methods.
    """

    def __init__(self, limits: Limits, cache: ResultCache, command: Sequence[str]) -> None:
        """Start no worker yet. `command` starts one; complete results are cached before their tickets end."""
        self._limits, self._cache, self._command = limits, cache, command
        self._child: Child | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._number = 0
        self._wanted: tuple[Ticket, _Ending] | None = None
        self._paces, self._start_seconds = Paces(), _FIRST_START_SECONDS

    @property
    def worker_pid(self) -> int | None:
        """The worker's process ID; None if no worker runs."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def knows_pace(self, source: Source) -> bool:
        """Return whether the pace of this network, or of one with the same name and data set, is known."""
        return self._paces.known(source)

    def estimate(self, request: Request) -> float | None:
        """Return the seconds that a request will take once it is its turn; None if the pace is not known."""
        seconds = self._paces.seconds(request)
        if seconds is None or self.worker_pid is not None:
            return seconds
        return seconds + self._start_seconds

    def work_on(self, ticket: Ticket, tick: Tick) -> None:
        """Process a ticket to its end, calling `tick` repeatedly meanwhile. Never raises."""
        try:
            ticket.load()
            self._run(ticket, tick)
        except wire.WireError as error:  # the request is too large, and no part of it was sent
            self._fail(ticket, str(error))
        except _EndedByForceError:
            self.abandon()
            log.event("lab: a worker that did not stop in time was ended", logging.WARNING)
            self._end_early(ticket)
        except WorkerGoneError as error:
            self.abandon()
            if self._ending(ticket) is not None and not self._closed:
                self._end_early(ticket)
            self._fail(ticket, _CLOSED if self._closed else str(error))
        except Exception as error:  # any exception, so that the queue goes on
            self.abandon()
            log.exception(error)
            self._fail(ticket, f"The lab failed ({type(error).__name__}); try again: other attacks go on.")

    def stop(self, ticket: Ticket, state: TicketState = TicketState.STOPPED, reason: str | None = None) -> None:
        """Ask the worker to stop working on this ticket after the current round.

        The ticket then has the given state and reason. A worker that does not answer in time is killed.
        """
        with self._lock:
            if self._wanted is None or self._wanted[0] is not ticket:
                self._wanted = ticket, _Ending(state, reason, time.monotonic())

    def measure_pace(self, source: Source) -> None:
        """Let the worker load a network and measure its pace. Never raises: errors are logged."""
        try:
            answer = self._paced(source)
            if answer["kind"] == "pace":
                self._paces.note(source, float(answer["seconds"]))
                return
            if answer.get("fatal"):
                self.abandon()
            error = str(answer.get("error"))
        except wire.WireError as too_large:  # no part of the request was sent
            error = str(too_large)
        except Exception as failure:
            self.abandon()
            if self._closed:
                return
            if not isinstance(failure, WorkerGoneError):
                log.exception(failure)
            error = str(failure)
        log.event("lab: the pace of a network is not known", logging.WARNING, run=source.run_id[:200], error=error)

    def _paced(self, source: Source) -> dict[str, Any]:
        """Return the worker's answer to a pace request. Raises WorkerGoneError if it ends or takes too long."""
        until = time.monotonic() + self._limits.prepare_seconds

        def in_time() -> None:
            if time.monotonic() > until:
                raise WorkerGoneError(f"it took longer than {in_words(self._limits.prepare_seconds)}")

        self._number += 1
        asked = wire.packed({"kind": "pace", "id": self._number, "source": source_to_json(source)})
        child = self._started(in_time)
        child.send(asked)
        while (received := child.receive(self._limits.tick_seconds)) is None or received[0].get("id") != self._number:
            in_time()
        return received[0]

    def close(self) -> None:
        """End the worker, and start no other."""
        with self._lock:
            self._closed = True
        self.abandon()

    def abandon(self) -> None:
        """End the worker even in the middle of a task; the next request starts another. Never raises."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            try:
                child.end()
            except Exception as error:  # the next request gets a new worker
                log.exception(error)

    def _run(self, ticket: Ticket, tick: Tick) -> None:
        began = time.monotonic()

        def look() -> None:
            tick(ticket)
            self._check_time(ticket, began)

        self._number += 1
        asked = wire.packed({"kind": "run", "id": self._number, "request": to_json(ticket.request)})
        child = self._started(look)
        child.send(asked)
        told = False
        while not ticket.is_over:
            if self._ending(ticket) is not None and not told:
                child.send(wire.packed({"kind": "stop", "id": self._number}))
                told = True
            received = child.receive(self._limits.tick_seconds)
            if received is not None and received[0].get("id") == self._number:
                self._take(ticket, *received)
            if not ticket.is_over:
                look()

    def _check_time(self, ticket: Ticket, began: float) -> None:
        """Stop a request that takes too long. Raises _EndedByForceError if the worker then does not stop in time."""
        most = self._limits.request_seconds
        if time.monotonic() - began > most:
            self.stop(ticket, TicketState.FAILED, (
                f"This was ended after {in_words(most)}, as long as one request may take; ask for fewer images, steps or "
                f"values ({SECONDS_VARIABLE}, in seconds, changes the limit of a server)."
            ))  # fmt: skip
        ending = self._ending(ticket)
        if ending is not None and time.monotonic() - ending.wanted_at > self._limits.stop_seconds:
            raise _EndedByForceError

    def _ending(self, ticket: Ticket) -> _Ending | None:
        wanted = self._wanted
        return wanted[1] if wanted is not None and wanted[0] is ticket else None

    def _end_early(self, ticket: Ticket, result: results.Result | None = None) -> None:
        """End a ticket in the requested state, or as stopped if the worker stopped without a request."""
        ending = self._ending(ticket)
        if ending is None:
            ticket.end(TicketState.STOPPED, result)
        else:
            ticket.end(ending.state, result, ending.reason)

    def _fail(self, ticket: Ticket, error: str) -> None:
        if not ticket.is_over and not self._closed:
            log.event("lab: a request failed", logging.WARNING, text=error)
        ticket.end(TicketState.FAILED, error=error)

    def _started(self, look: Callable[[], None]) -> Child:
        with self._lock:
            if self._closed:
                raise WorkerGoneError(_CLOSED)
            if self._child is not None and self._child.alive:
                return self._child
            if self._child is not None:  # it died between two requests
                self._child.end()
            self._child = None
            child = self._child = Child(self._command)
        began = time.monotonic()
        while (received := child.receive(self._limits.tick_seconds)) is None or received[0].get("kind") != "started":
            if time.monotonic() - began > self._limits.start_seconds:
                raise WorkerGoneError(
                    f"The attack's process did not start within {in_words(self._limits.start_seconds)}, and was ended; "
                    "try again when the machine has less to do."
                )
            look()
        self._start_seconds = time.monotonic() - began
        log.event("lab: worker started", process=child.pid, seconds=round(self._start_seconds, 1))
        return child

    def _take(self, ticket: Ticket, message: dict[str, Any], blob: bytes) -> None:
        kind = message["kind"]
        if kind == "progress":
            ticket.advance(int(message["done"]), int(message["total"]), message.get("row"))
        elif kind == "failed":
            if message.get("fatal"):
                self.abandon()
            self._fail(ticket, str(message["error"]))
        elif kind == "result":
            result = results.from_bytes(blob) if blob else None
            if message["state"] == TicketState.DONE and result is not None:
                self._note(ticket, result)
                ticket.end(TicketState.DONE, result)
            elif message["state"] == TicketState.STOPPED:
                self._end_early(ticket, result)
            else:
                raise ValueError(f"a result in state {message['state']!r}")

    def _note(self, ticket: Ticket, result: results.Result) -> None:
        """Record the pace and cache the result. Errors are only logged, so that the ticket still gets its result."""
        try:
            for source in ticket.request.sources:
                self._paces.note(source, ticket.running_seconds / passes(ticket.request))
            self._cache.put(ticket.request.key, result)
        except Exception as error:
            log.exception(error)
