"""The server's side of the lab: one worker process, one queue for all browser sessions, and a cache of results.

This module does not import torch. A server process has one `LabClient`, shared by all sessions:

>>> ticket = client.submit(request)            # doctest: +SKIP
>>> ticket.state, ticket.place, ticket.done, ticket.total, ticket.seconds_left     # doctest: +SKIP
>>> ticket.stop(); ticket.result, ticket.error     # doctest: +SKIP
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rnc import log
from rnc.durations import in_words
from rnc.lab.cache import ResultCache
from rnc.lab.checks import RequestError
from rnc.lab.dispatch import Dispatcher
from rnc.lab.limits import Limits, from_environment
from rnc.lab.requests import Request, Source
from rnc.lab.results import Result
from rnc.lab.source import check_place
from rnc.lab.ticket import Ticket, TicketState

__all__ = ["LabBusyError", "LabClient", "Ticket", "TicketState"]

_CACHE_BYTES = 256 * 2**20
_PAUSE_SECONDS = 0.1  # after an exception in the thread, so that a repeated one does not use up the processor
_CLOSED = "The app was closed."


class LabBusyError(Exception):
    """Error raised if the queue, or this visitor's part of it, is full; the message says so."""


class LabClient:
    """A queue that serves requests one after the other, in the order of their arrival. It can be shared between threads.

    The result of an earlier equal request comes from the cache; a full cache drops the least recently used results. A request
    whose ticket is not read for `Limits.patience_seconds` leaves the queue or is stopped, because its browser tab is closed. An
    error fails one request, and the next one is served; if the serving thread dies, it is started again.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        folders: Callable[[], Iterable[Path]] | None = None,
        cache_bytes: int = _CACHE_BYTES,
        command: Sequence[str] | None = None,
    ) -> None:
        """Create the client without starting the worker.

        If `limits` is None, they come from the environment. Networks are read only from inside `folders`; None allows any
        place, for commands that work on the user's files. `command` starts another worker than the lab's own.
        """
        self.limits = from_environment() if limits is None else limits
        self._folders = folders
        self._changed = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._current: Ticket | None = None
        self._to_prepare: Source | None = None
        self._cache = ResultCache(cache_bytes)
        self._dispatcher = Dispatcher(self.limits, self._cache, command or _command(self.limits))
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, request: Request, session: str = "", address: str = "") -> Ticket:
        """Put a request at the end of the queue; a known result or a refusal ends the ticket at once.

        `session` and `address` identify the visitor, so that no visitor can fill the whole queue. Raises LabBusyError.
        """
        ticket = Ticket(request, self._stop, self._place, self._look, (session, address))
        if self._answer_from_cache(ticket):
            return ticket
        if (refusal := self._refusal(request)) is not None:
            ticket.end(TicketState.FAILED, error=refusal)
            return ticket
        with self._changed:
            self._drop_unseen()
            self._check_room(session, address)
            self._wake()
            self._queue.append(ticket)
        return ticket

    def estimate(self, request: Request) -> float | None:
        """Return the seconds that a request will take once it is its turn: 0 if its result is cached, None if unknown.

        The pace is known for networks that have run since the app started; `prepare` measures that of another one.
        """
        return 0.0 if self._known(request) is not None else self._dispatcher.estimate(request)

    def prepare(self, source: Source) -> None:
        """Start the worker, load the network and measure its pace for `estimate`, once nothing else is to be done.

        Errors are not raised, because only the estimate depends on the measurement.
        """
        if self._dispatcher.knows_pace(source) or self._misplaced([source]) is not None:
            return
        with self._changed:
            self._to_prepare = source
            try:
                self._wake()
            except LabBusyError as error:
                log.event("lab: no pace", error=str(error))

    @property
    def waiting(self) -> int:
        """The number of requests that wait or are under way."""
        with self._changed:
            return len(self._queue) + (self._current is not None)

    @property
    def cached_bytes(self) -> int:
        """The number of bytes that the cached results take."""
        return self._cache.bytes

    @property
    def worker_pid(self) -> int | None:
        """The worker's process ID; None if no worker runs."""
        return self._dispatcher.worker_pid

    @property
    def closed(self) -> bool:
        """True if the client serves no more requests."""
        return self._closed

    def close(self) -> None:
        """End the worker and all tickets."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._dispatcher.close()
        if self._thread is not None:
            self._thread.join()

    def _refusal(self, request: Request) -> str | None:
        """Return the reason for refusing a request, or None if it is accepted."""
        return self._misplaced(request.sources) or self.limits.refusal_of_time(self._dispatcher.estimate(request))

    def _misplaced(self, sources: Iterable[Source]) -> str | None:
        """Return the reason for not reading networks from their place, or None if they may be read."""
        if self._folders is None:
            return None
        try:
            for source in sources:
                check_place(source, self._folders())
        except RequestError as error:
            return str(error)
        return None

    def _check_room(self, session: str, address: str) -> None:
        """Raise LabBusyError if the queue is full or the visitor has reached the limit. Call with the lock held."""
        if len(self._queue) >= self.limits.queued:
            raise LabBusyError(f"{self.limits.queued} attacks wait already; try again when some of them are done")
        held = [*self._queue, *([self._current] if self._current is not None else [])]
        for place, (mine, most) in enumerate(
            ((session, self.limits.queued_each), (address, self.limits.queued_from_one_address))
        ):
            if mine and sum(ticket.visitor[place] == mine for ticket in held) >= most:
                raise LabBusyError(f"{most} attacks of yours wait already or are under way; stop one of them, or wait")

    def _wake(self) -> None:
        """Start the thread if it does not run, and notify it of a change. Call with the lock held. Raises LabBusyError."""
        if self._closed:
            raise LabBusyError("the lab is closed; start the app again")
        if self._thread is None or not self._thread.is_alive():
            self._clear_up()
            try:
                thread = threading.Thread(target=self._serve, name="lab", daemon=True)
                thread.start()
            except RuntimeError as error:  # the system has no thread left
                log.exception(error)
                raise LabBusyError(f"the lab cannot start now ({error}); try again in a moment") from None
            self._thread = thread
        self._changed.notify_all()

    def _look(self) -> None:
        """Make sure that the thread runs, when a ticket that has not ended is read."""
        thread = self._thread
        if thread is not None and not thread.is_alive() and not self._closed:
            with self._changed:
                try:
                    self._wake()
                except LabBusyError as error:
                    log.event("lab: not started", error=str(error))

    def _clear_up(self) -> None:
        """Clean up after a thread that died: fail its request, and end its worker, which may still be at work."""
        died, self._current = self._current, None
        if self._thread is not None:
            log.event("lab: its thread died and is started again", 40)
            self._dispatcher.abandon()
        if died is not None:
            died.end(TicketState.FAILED, error="The lab failed; run it again.")

    def _serve(self) -> None:
        """Serve requests until the client is closed; this is the only thread that talks to the worker."""
        while True:
            try:
                work = self._next()
                if work is None:
                    return
                self._do(work)
            except Exception as error:  # any exception, so that the next request is served
                log.exception(error)
                failed = self._current
                if failed is not None:
                    failed.end(TicketState.FAILED, error=f"The lab failed ({type(error).__name__}); run it again.")
                time.sleep(_PAUSE_SECONDS)

    def _do(self, work: Ticket | Source) -> None:
        if isinstance(work, Source):
            self._dispatcher.measure_pace(work)
        elif not self._answer_from_cache(work):
            self._dispatcher.work_on(work, self._look_around)
            if work.is_whole:
                self._answer_others(work)

    def _next(self) -> Ticket | Source | None:
        """Wait for work and return it, or None once the client is closed."""
        with self._changed:
            self._current = None
            while not self._closed:
                self._drop_unseen()
                if self._queue:
                    self._current = self._queue.popleft()
                    return self._current
                if self._to_prepare is not None:
                    source, self._to_prepare = self._to_prepare, None
                    return source
                self._changed.wait()
            for ticket in self._queue:
                ticket.end(TicketState.FAILED, error=_CLOSED)
            self._queue.clear()
            return None

    def _known(self, request: Request) -> Result | None:
        """Return the cached result, or None if there is none or the cache fails."""
        try:
            return self._cache.get(request.key)
        except Exception as error:
            log.exception(error)
            return None

    def _answer_from_cache(self, ticket: Ticket) -> bool:
        known = self._known(ticket.request)
        if known is not None:
            ticket.answer(known)
        return known is not None

    def _answer_others(self, finished: Ticket) -> None:
        """Give the result to all queued tickets of an equal request."""
        with self._changed:
            same = [ticket for ticket in self._queue if ticket.request.key == finished.request.key]
            self._queue = deque(ticket for ticket in self._queue if ticket not in same)
        for ticket in same:
            assert finished.result is not None
            ticket.answer(finished.result)

    def _look_around(self, current: Ticket) -> None:
        """Stop the current request and drop queued ones if nobody has read their tickets for too long."""
        with self._changed:
            self._drop_unseen()
        patience = self.limits.patience_seconds
        if current.unseen_for() > patience:
            self._dispatcher.stop(current, TicketState.STOPPED, (
                f"Nobody looked at this for {in_words(patience)}, so it was stopped; run it again, and leave its page open."
            ))  # fmt: skip

    def _drop_unseen(self) -> None:
        gone = [ticket for ticket in self._queue if ticket.unseen_for() > self.limits.patience_seconds]
        for ticket in gone:
            self._queue.remove(ticket)
            ticket.end(TicketState.FAILED, error="Nobody waited for this any more, so it left the queue; run it again.")

    def _stop(self, ticket: Ticket) -> None:
        with self._changed:
            if ticket in self._queue:
                self._queue.remove(ticket)
                ticket.end(TicketState.STOPPED)
            elif ticket is self._current:
                self._dispatcher.stop(ticket)

    def _place(self, ticket: Ticket) -> int:
        with self._changed:
            ahead = list(self._queue).index(ticket) if ticket in self._queue else 0
            return ahead + (self._current is not None)


def _command(limits: Limits) -> list[str]:
    """Return the command that starts the lab's own worker."""
    memory = [] if limits.memory_bytes is None else [str(limits.memory_bytes)]
    return [sys.executable, "-m", "rnc.lab.engine.worker", *memory]
