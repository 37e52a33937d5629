"""Traffic from a server to a page of a browser, counted from the frames of its websocket: runs of the script, and bytes.

Tested by tests/test_page_cost.py.
"""

from dataclasses import dataclass, fields

from playwright.sync_api import Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


@dataclass(frozen=True)
class Traffic:
    """Runs that began, and bytes that were received."""

    reruns: int = 0
    """Runs of all of the script."""
    fragments: int = 0
    """Runs of a fragment alone that somebody's act caused."""
    polls: int = 0
    """Runs of a fragment alone that the browser asks for by itself every few seconds."""
    sent: int = 0
    """Bytes, without those of polls."""
    sent_by_polls: int = 0

    def __sub__(self, before: "Traffic") -> "Traffic":
        """Return what came since `before`."""
        return Traffic(*(getattr(self, each.name) - getattr(before, each.name) for each in fields(self)))


class FrameCounter:
    """Counts the frames of one page, from before the page is opened on.

    Each run of the script begins with a message `new_session`, which names the fragments that are run if it is not all of the
    script. Fragments that the server announced by `auto_rerun` are polls. A frame belongs to the run that began last.
    """

    def __init__(self, page: Page | None = None) -> None:
        """Listen to a page; without one, to what `add` is given."""
        self._counts = dict.fromkeys((each.name for each in fields(Traffic)), 0)
        self._polled: set[str] = set()
        self._is_poll = self.is_running = False
        self.ended = 0
        """Runs that ended and were no polls; a run that was broken off for another one is left out."""
        if page is not None:
            page.on("websocket", lambda socket: socket.on("framereceived", self.add))

    @property
    def traffic(self) -> Traffic:
        """The counts up to now."""
        return Traffic(**self._counts)

    @property
    def begun(self) -> int:
        """Runs that began and were no polls."""
        return self._counts["reruns"] + self._counts["fragments"]

    def add(self, frame: bytes | str) -> None:
        """Count a frame; a text is no message of Streamlit's."""
        message = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._begin(set(message.metadata.run.fragment_ids))
        elif kind == "auto_rerun":
            self._polled.add(message.auto_rerun.fragment_id)
        elif kind == "script_finished" and not self._is_poll:
            self.is_running = False
            self.ended += message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode())
        self._counts["sent_by_polls" if self._is_poll else "sent"] += size

    def _begin(self, fragments: set[str]) -> None:
        self._is_poll = bool(fragments) and fragments <= self._polled
        self.is_running = not self._is_poll
        self._counts["polls" if self._is_poll else "fragments" if fragments else "reruns"] += 1
