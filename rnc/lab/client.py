"""The server's side of the lab: one worker process, one queue over all browser sessions, and a cache of results.

Free of torch. One `LabClient` a server process, shared by all sessions:

>>> ticket = client.submit(request)            # doctest: +SKIP
>>> ticket.state, ticket.place, ticket.done, ticket.total, ticket.seconds_left     # doctest: +SKIP
>>> ticket.stop(); ticket.result, ticket.error     # doctest: +SKIP
"""

import threading
from collections import deque

from rnc.lab.cache import ResultCache
from rnc.lab.dispatch import Dispatcher
from rnc.lab.request import Request, Source
from rnc.lab.ticket import Ticket, TicketState

__all__ = ["LabBusyError", "LabClient", "Ticket", "TicketState"]

MOST_QUEUED = 64
_CACHE_BYTES = 256 * 2**20
_PATIENCE_SECONDS = 180.0  # browsers let a tab in the background ask but once a minute


class LabBusyError(Exception):
    """So much waits already that nothing more is taken; the message says so."""


class LabClient:
    """Serves requests one after the other, first come, first served. Safe to share between threads.

    A result is answered from the cache where the same was asked before; the least recently used go first where the cache
    is full. What nobody looks at for `patience` seconds leaves the queue, and ends if it is under way and others wait:
    its browser tab is gone.
    """

    def __init__(
        self, *, cache_bytes: int = _CACHE_BYTES, patience: float = _PATIENCE_SECONDS, memory_limit: int | None = None
    ) -> None:
        """Start nothing yet. `memory_limit` bounds the worker's address space, in bytes (not for a GPU's)."""
        self._patience = patience
        self._changed = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._current: Ticket | None = None
        self._to_prepare: Source | None = None
        self._cache = ResultCache(cache_bytes)
        self._dispatcher = Dispatcher(memory_limit, self._cache)
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, request: Request) -> Ticket:
        """Put a request at the end of the queue; answered at once where its result is known. Raises LabBusyError."""
        ticket = Ticket(request, self._stop, self._place)
        if self._answer_from_cache(ticket):
            return ticket
        with self._changed:
            self._drop_unseen()
            if len(self._queue) >= MOST_QUEUED:
                raise LabBusyError(f"{MOST_QUEUED} attacks wait already; try again when some of them are done")
            self._wake()
            self._queue.append(ticket)
        return ticket

    def estimate(self, request: Request) -> float | None:
        """The seconds that a request will take from its turn on: 0 where its result is known, None where nobody knows.

        Known is the pace of networks that ran here since the app was started; `prepare` measures one.
        """
        return 0.0 if self._cache.get(request.key) is not None else self._dispatcher.estimate(request)

    def prepare(self, source: Source) -> None:
        """When nothing else is to be done, start the worker, load the network and measure its pace, for `estimate`."""
        if self._dispatcher.knows_pace(source):
            return
        with self._changed:
            self._to_prepare = source
            self._wake()

    @property
    def waiting(self) -> int:
        """How many requests wait or are under way."""
        with self._changed:
            return len(self._queue) + (self._current is not None)

    @property
    def cached_bytes(self) -> int:
        """What the cached results take."""
        return self._cache.bytes

    @property
    def worker_pid(self) -> int | None:
        """The worker's process number; None where none runs."""
        return self._dispatcher.worker_pid

    def close(self) -> None:
        """End the worker and all tickets."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._dispatcher.close()
        if self._thread is not None:
            self._thread.join()

    def _wake(self) -> None:
        if self._closed:
            raise LabBusyError("the lab is closed; start the app again")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="lab", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _serve(self) -> None:
        """The one thread that talks to the worker."""
        while (work := self._next()) is not None:
            if isinstance(work, Source):
                self._dispatcher.measure_pace(work)
            elif not self._answer_from_cache(work):
                self._dispatcher.work_on(work, self._look_around)
                if work.is_whole:
                    self._answer_others(work)

    def _next(self) -> Ticket | Source | None:
        """Wait for something to do; None at the end."""
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
                ticket.end(TicketState.FAILED, error="The app was closed.")
            self._queue.clear()
            return None

    def _answer_from_cache(self, ticket: Ticket) -> bool:
        known = self._cache.get(ticket.request.key)
        if known is not None:
            ticket.answer(known)
        return known is not None

    def _answer_others(self, finished: Ticket) -> None:
        """Whoever waits for the very same has it now."""
        with self._changed:
            same = [ticket for ticket in self._queue if ticket.request.key == finished.request.key]
            self._queue = deque(ticket for ticket in self._queue if ticket not in same)
        for ticket in same:
            assert finished.result is not None
            ticket.answer(finished.result)

    def _look_around(self, current: Ticket) -> None:
        """While one is under way: who has gone, leaves the queue, and makes room for those who wait."""
        with self._changed:
            self._drop_unseen()
            if self._queue and current.unseen_for() > self._patience:
                self._dispatcher.stop(current)

    def _drop_unseen(self) -> None:
        gone = [ticket for ticket in self._queue if ticket.unseen_for() > self._patience]
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
