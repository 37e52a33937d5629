"""A browser's part of Streamlit's protocol, so that twenty sessions fit on a small machine: real WebSockets, no drawing."""

import asyncio
import time
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlencode

import websockets
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_LARGEST_MESSAGE = 256 * 2**20
_WHOLE_PAGE = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)


@dataclass
class Visitor:
    """One session. It reads all that is sent, and asks again for the parts of pages that refresh themselves."""

    address: str
    """Of the app, as http://host:port."""
    patience: float = 120.0
    """Seconds that a page may take."""
    seconds: list[float] = field(default_factory=list)
    """The seconds of each page, from the request to the end of its script."""
    refreshed: int = 0
    """The number of times that a part of a page was requested again by itself."""
    errors: list[str] = field(default_factory=list)
    """Every error that a page showed, and exceptions."""

    async def __aenter__(self) -> "Visitor":
        """Open the session, as soon as the server answers."""
        self._socket = await self._connect()
        self._asked = BackMsg()
        self._done = asyncio.Event()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave, as a closed tab does."""
        for task in (*self._timers.values(), self._listener):
            task.cancel()
        await self._socket.close()

    async def _connect(self) -> websockets.ClientConnection:
        until = time.monotonic() + self.patience
        while True:
            try:
                return await websockets.connect(
                    self.address.replace("http", "ws", 1) + "/_stcore/stream",
                    origin=websockets.Origin(self.address),
                    subprotocols=[websockets.Subprotocol("streamlit")],
                    max_size=_LARGEST_MESSAGE,
                )
            except OSError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(0.2)

    async def visit(self, page: str, **query: str | list[str]) -> None:
        """Ask for a page and wait until it is whole. Raises TimeoutError, and ConnectionError where the server hung up."""
        self._forget_timers()
        self._asked = BackMsg()
        self._asked.rerun_script.page_name = page
        self._asked.rerun_script.query_string = urlencode(query, doseq=True)
        self._done.clear()
        begin = time.perf_counter()
        await self._socket.send(self._asked.SerializeToString())
        done = asyncio.create_task(self._done.wait())
        ended, _waiting = await asyncio.wait(
            {done, self._listener}, timeout=self.patience, return_when=asyncio.FIRST_COMPLETED
        )
        if done not in ended:
            done.cancel()
            raise ConnectionError("the server hung up") if ended else TimeoutError(f"{page}: over {self.patience} s")
        self.seconds.append(time.perf_counter() - begin)

    async def _listen(self) -> None:
        async for data in self._socket:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._look(message.delta.new_element)
            elif kind == "auto_rerun":
                self._refresh_by_and_by(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            elif kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
                self.errors.append(message.session_event.script_compilation_exception.message)
            elif kind == "script_finished" and message.script_finished in _WHOLE_PAGE:
                self._done.set()

    def _look(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        if kind == "exception":
            self.errors.append(element.exception.message)  # type: ignore[attr-defined]
        elif kind == "alert" and element.alert.format == Alert.ERROR:  # type: ignore[attr-defined]
            self.errors.append(element.alert.body)  # type: ignore[attr-defined]

    def _forget_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _refresh_by_and_by(self, fragment: str, interval: float) -> None:
        if fragment in self._timers:
            self._timers[fragment].cancel()
        self._timers[fragment] = asyncio.create_task(self._refresh(fragment, interval))

    async def _refresh(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            again = BackMsg()
            again.CopyFrom(self._asked)
            again.rerun_script.fragment_id = fragment
            again.rerun_script.is_auto_rerun = True
            await self._socket.send(again.SerializeToString())
            self.refreshed += 1
