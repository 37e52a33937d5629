"""Refreshes are left out while a page is being drawn, and carry no values of controls, because Streamlit could lose either.

Parts of a page look for news every few seconds (`st.fragment(run_every=...)`). A request for such a part can arrive when a run of
the page's script has ended, but not all of its messages have been sent, which takes seconds on a busy server. Streamlit 1.67
begins a new run for the request, and discards all messages of the old one (`AppSession.request_rerun` says so in a comment). The
visitor would see a part of the page, and wait for the rest for ever.

A refresh is therefore discarded from the request for a page until the message that it is complete. The browser asks again after
the same interval.

The browser notes what a visitor does, such as a click, at once, but requests the page for it a moment later. A refresh that it
sends in this moment has the new values of controls too. Streamlit would call the callbacks in the run for the refresh, which does
not draw the page. The page that is requested next would come without them, with the address of before: a run that was clicked
would not be opened, and could not be clicked again, since it is selected already. A clicked button would act twice.

The values are therefore taken out of refreshes. The server knows the earlier ones, and the page's request has the new ones.
"""

import time
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

LONGEST_SECONDS = 120.0
"""Time after which refreshes pass although no complete page was announced."""
_MOST_END_BYTES = 1024
"""Size above which a message is not looked into: that a run of the script has ended is said in less than 100 bytes."""
_COMPLETE = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)


class RefreshGuard:
    """An ASGI application that wraps another one and keeps from it refreshes while a page is being drawn, and their values."""

    def __init__(self, app: Any) -> None:
        """Wrap the ASGI application `app`."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a connection with the wrapped application."""
        if scope["type"] == "websocket":
            session = _Session(receive, send)
            await self._app(scope, session.receive, session.send)
        else:
            await self._app(scope, receive, send)


class _Session:
    """The messages of one visitor's WebSocket in both directions."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._page_since: float | None = None
        """When a whole page was requested that is not complete."""
        self._rerun_since: float | None = None
        """When a run was ended early for another one, of a part or of the whole page, that has not ended."""

    async def receive(self) -> Any:
        """Return the next message of the browser that is not a refresh of a page that is being drawn; a refresh has no values."""
        while True:
            message = await self._receive()
            request = _script_request(message)
            if request is None:
                return message
            if not request.fragment_id:
                self._page_since = time.monotonic()
            elif request.is_auto_rerun:
                if self._is_drawing:
                    continue
                return _without_values(message)
            return message

    async def send(self, message: Any) -> None:
        """Send a message to the browser."""
        ended = _end_of_run(message)
        if ended is not None:
            self._page_since = None if ended in _COMPLETE else self._page_since
            self._rerun_since = time.monotonic() if ended == ForwardMsg.FINISHED_EARLY_FOR_RERUN else None
        await self._send(message)

    @property
    def _is_drawing(self) -> bool:
        begun = [since for since in (self._page_since, self._rerun_since) if since is not None]
        return bool(begun) and time.monotonic() - max(begun) < LONGEST_SECONDS


def _script_request(message: Any) -> Any:
    """Return the request to run the script, or a part of it, that a browser's message contains; None if there is none."""
    data = message.get("bytes")
    if message["type"] != "websocket.receive" or not data:
        return None
    try:
        request = BackMsg.FromString(data)
    except Exception:  # (Streamlit answers what is not one of its messages)
        return None
    return request.rerun_script if request.WhichOneof("type") == "rerun_script" else None


def _without_values(message: Any) -> Any:
    """Return a browser's request to run the script, without the values of the page's controls."""
    request = BackMsg.FromString(message["bytes"])
    request.rerun_script.ClearField("widget_states")
    return {**message, "bytes": request.SerializeToString()}


def _end_of_run(message: Any) -> int | None:
    """Return how a run of the script has ended, if a message to the browser says so; None for every other message."""
    data = message.get("bytes")
    if message["type"] != "websocket.send" or not data or len(data) > _MOST_END_BYTES:
        return None
    sent = ForwardMsg.FromString(data)
    return sent.script_finished if sent.WhichOneof("type") == "script_finished" else None
