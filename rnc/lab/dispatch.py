"""One request at a time through the worker: starts it when it is needed, and again when it has died."""

import threading
import time
from collections.abc import Callable
from typing import Any

from rnc.lab import results
from rnc.lab.cache import ResultCache
from rnc.lab.child import Child, WorkerGoneError
from rnc.lab.cost import Paces, passes
from rnc.lab.request import Request, Source, source_to_json, to_json
from rnc.lab.ticket import Ticket, TicketState

_TICK_SECONDS = 0.2
_FIRST_START_SECONDS = 5.0  # about what importing torch takes, until a start has been measured

_CLOSED = "The app was closed."

Tick = Callable[[Ticket], None]


class Dispatcher:
    """Holds the worker. `work_on` and `measure_pace` are one thread's; the rest is anybody's."""

    def __init__(self, memory_limit: int | None, cache: ResultCache) -> None:
        """Start nothing yet. Whole results go into the cache before their tickets end."""
        self._memory_limit, self._cache = memory_limit, cache
        self._child: Child | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._number = 0
        self._stop_wanted: Ticket | None = None
        self._paces, self._start_seconds = Paces(), _FIRST_START_SECONDS

    @property
    def worker_pid(self) -> int | None:
        """The worker's process number; None where none runs."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def knows_pace(self, source: Source) -> bool:
        """Whether such a network ran here."""
        return self._paces.known(source)

    def estimate(self, request: Request) -> float | None:
        """The seconds a request will take from its turn on; None where no such network ran here."""
        seconds = self._paces.seconds(request)
        if seconds is None or self.worker_pid is not None:
            return seconds
        return seconds + self._start_seconds

    def work_on(self, ticket: Ticket, tick: Tick) -> None:
        """See a ticket through to its end; `tick` is called again and again meanwhile. Never raises."""
        try:
            ticket.load()
            child = self._started()
            self._number += 1
            child.send({"kind": "run", "id": self._number, "request": to_json(ticket.request)})
            while not ticket.is_over:
                if self._stop_wanted is ticket:
                    self._stop_wanted = None
                    child.send({"kind": "stop", "id": self._number})
                received = child.receive(_TICK_SECONDS)
                if received is not None and received[0].get("id") == self._number:
                    self._take(ticket, *received)
                tick(ticket)
        except WorkerGoneError as error:
            self._let_go()
            ticket.end(TicketState.FAILED, error=_CLOSED if self._closed else str(error))
        except Exception as error:  # (whatever it was, the queue goes on)
            self._let_go()
            ticket.end(TicketState.FAILED, error=f"The lab failed: {type(error).__name__}: {error}")

    def stop(self, ticket: Ticket) -> None:
        """Ask the worker to end what it does for this ticket after the round under way."""
        self._stop_wanted = ticket

    def measure_pace(self, source: Source) -> None:
        """Let the worker load a network and measure its pace. Never raises: what goes wrong shows when it is asked for."""
        try:
            child = self._started()
            self._number += 1
            child.send({"kind": "pace", "id": self._number, "source": source_to_json(source)})
            while True:
                received = child.receive(_TICK_SECONDS)
                if received is not None and received[0].get("id") == self._number:
                    break
            if received[0]["kind"] == "pace":
                self._paces.note(source, float(received[0]["seconds"]))
            elif received[0].get("fatal"):
                self._let_go()
        except WorkerGoneError:
            self._let_go()

    def close(self) -> None:
        """End the worker, and start no other."""
        with self._lock:
            self._closed = True
        self._let_go()

    def _started(self) -> Child:
        with self._lock:
            if self._closed:
                raise WorkerGoneError(_CLOSED)
            if self._child is not None and self._child.alive:
                return self._child
            if self._child is not None:  # (it died when nobody asked anything of it)
                self._child.end()
            child = self._child = Child(self._memory_limit)
        began = time.monotonic()
        while (received := child.receive(_TICK_SECONDS)) is None or received[0]["kind"] != "started":
            pass
        self._start_seconds = time.monotonic() - began
        return child

    def _let_go(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _take(self, ticket: Ticket, message: dict[str, Any], blob: bytes) -> None:
        if message["kind"] == "progress":
            ticket.advance(message["done"], message["total"], message.get("row"))
        elif message["kind"] == "failed":
            if message.get("fatal"):
                self._let_go()
            ticket.end(TicketState.FAILED, error=message["error"])
        elif message["kind"] == "result":
            result = results.from_bytes(blob) if blob else None
            state = TicketState(message["state"])
            if state is TicketState.DONE:
                for source in ticket.request.sources:
                    self._paces.note(source, ticket.running_seconds / passes(ticket.request))
                if result is not None:
                    self._cache.put(ticket.request.key, result)
            ticket.end(state, result)
