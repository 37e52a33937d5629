"""The server's side of the lab: one worker process, one queue over all browser sessions, and a cache of results.

Free of torch. One `LabClient` a server process, shared by all sessions:

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
_PAUSE_SECONDS = 0.1  # after a failure of the thread's own, so that one that repeats does not take the processor
_CLOSED = "The app was closed."


class LabBusyError(Exception):
    """So much waits already, of all or of this visitor, that nothing more is taken; the message says so."""


class LabClient:
    """Serves requests one after the other, first come, first served. Safe to share between threads.

    A result is answered from the cache where the same was asked before; the least recently used go first where the cache
    is full. What nobody looks at for `Limits.patience_seconds` leaves the queue, or ends where it is under way: its browser
    tab is gone. Whatever fails, fails the one request, and the next is served: the thread that serves them is started again
    should it die.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        folders: Callable[[], Iterable[Path]] | None = None,
        cache_bytes: int = _CACHE_BYTES,
        command: Sequence[str] | None = None,
    ) -> None:
        """Start nothing yet.

        Limits are those of the environment where none are given. Networks are read from inside `folders` alone (None: from
        anywhere, for commands on one's own files). `command` starts another worker than the lab's own.
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
        """Put a request at the end of the queue; answered at once where its result is known, or where it is refused.

        `session` and `address` say who asks, so that nobody takes the whole queue. Raises LabBusyError.
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
        """The seconds that a request will take from its turn on: 0 where its result is known, None where nobody knows.

        Known is the pace of networks that ran here since the app was started; `prepare` measures one.
        """
        return 0.0 if self._known(request) is not None else self._dispatcher.estimate(request)

    def prepare(self, source: Source) -> None:
        """When nothing else is to be done, start the worker, load the network and measure its pace, for `estimate`.

        Nothing happens where that cannot be: it is for an estimate alone.
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

    @property
    def closed(self) -> bool:
        """Whether it serves no more."""
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
        """Why a request is not taken; None if it is."""
        return self._misplaced(request.sources) or self.limits.refusal_of_time(self._dispatcher.estimate(request))

    def _misplaced(self, sources: Iterable[Source]) -> str | None:
        """Why the networks are not read, for where they lie; None if they are."""
        if self._folders is None:
            return None
        try:
            for source in sources:
                check_place(source, self._folders())
        except RequestError as error:
            return str(error)
        return None

    def _check_room(self, session: str, address: str) -> None:
        """Raise LabBusyError where the queue is full, or the visitor has as much in it as one may. Called with the lock."""
        if len(self._queue) >= self.limits.queued:
            raise LabBusyError(f"{self.limits.queued} attacks wait already; try again when some of them are done")
        held = [*self._queue, *([self._current] if self._current is not None else [])]
        for place, (mine, most) in enumerate(
            ((session, self.limits.queued_each), (address, self.limits.queued_from_one_address))
        ):
            if mine and sum(ticket.visitor[place] == mine for ticket in held) >= most:
                raise LabBusyError(f"{most} attacks of yours wait already or are under way; stop one of them, or wait")

    def _wake(self) -> None:
        """See that the thread runs, and tell it that something has changed. Called with the lock. Raises LabBusyError."""
        if self._closed:
            raise LabBusyError("the lab is closed; start the app again")
        if self._thread is None or not self._thread.is_alive():
            self._clear_up()
            try:
                thread = threading.Thread(target=self._serve, name="lab", daemon=True)
                thread.start()
            except RuntimeError as error:  # (the system has no thread left)
                log.exception(error)
                raise LabBusyError(f"the lab cannot start now ({error}); try again in a moment") from None
            self._thread = thread
        self._changed.notify_all()

    def _look(self) -> None:
        """Somebody looks at a ticket that has not ended: its thread must be there."""
        thread = self._thread
        if thread is not None and not thread.is_alive() and not self._closed:
            with self._changed:
                try:
                    self._wake()
                except LabBusyError as error:
                    log.event("lab: not started", error=str(error))

    def _clear_up(self) -> None:
        """After a thread that died: its request has failed, and its worker, which may be at it still, ends."""
        died, self._current = self._current, None
        if self._thread is not None:
            log.event("lab: its thread died and is started again", 40)
            self._dispatcher.abandon()
        if died is not None:
            died.end(TicketState.FAILED, error="The lab failed; run it again.")

    def _serve(self) -> None:
        """The one thread that talks to the worker."""
        while True:
            try:
                work = self._next()
                if work is None:
                    return
                self._do(work)
            except Exception as error:  # (whatever it was, the next request is served)
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
                ticket.end(TicketState.FAILED, error=_CLOSED)
            self._queue.clear()
            return None

    def _known(self, request: Request) -> Result | None:
        """The cached result; None too where the cache fails."""
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
        """Whoever waits for the very same has it now."""
        with self._changed:
            same = [ticket for ticket in self._queue if ticket.request.key == finished.request.key]
            self._queue = deque(ticket for ticket in self._queue if ticket not in same)
        for ticket in same:
            assert finished.result is not None
            ticket.answer(finished.result)

    def _look_around(self, current: Ticket) -> None:
        """While one is under way: what nobody looks at any more ends, it too."""
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
    """What starts the lab's own worker."""
    memory = [] if limits.memory_bytes is None else [str(limits.memory_bytes)]
    return [sys.executable, "-m", "rnc.lab.engine.worker", *memory]
