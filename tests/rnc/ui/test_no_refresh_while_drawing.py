"""Refreshes of parts of a page that is being drawn do not reach Streamlit; all other messages do."""

from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from rnc.ui import no_refresh_while_drawing
from rnc.ui.no_refresh_while_drawing import RefreshGuard
from tests import event_loop

PAGE, REFRESH, CLICK, STOP = "page", "refresh", "click", "stop"
WHOLE, WRONG, EARLY, PART = (
    ForwardMsg.FINISHED_SUCCESSFULLY,
    ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
    ForwardMsg.FINISHED_EARLY_FOR_RERUN,
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
)


def request(kind: str) -> dict[str, Any]:
    """Return a browser's message: a request for a page, a refresh of a part, a click in a part, or Stop."""
    message = BackMsg()
    if kind == STOP:
        message.stop_script = True
    else:
        message.rerun_script.query_string = kind
        message.rerun_script.fragment_id = "" if kind == PAGE else "part"
        message.rerun_script.is_auto_rerun = kind == REFRESH
    return {"type": "websocket.receive", "bytes": message.SerializeToString()}


def answer(end: int | None) -> dict[str, Any]:
    """Return a message of the server: that a run has ended, or another one."""
    message = ForwardMsg()
    if end is None:
        message.page_not_found.page_name = "page"
    else:
        message.script_finished = end  # type: ignore[assignment]
    return {"type": "websocket.send", "bytes": message.SerializeToString()}


def passed(*messages: str | int | None) -> list[str]:
    """Return which of the browser's messages (texts) reach the application; it sends the others at their place among them."""
    received: list[str] = []
    answers: list[Any] = []
    waiting: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            if isinstance(message, str):
                waiting[:] = [request(message), {"type": "websocket.disconnect"}]
                if (await receive())["type"] != "websocket.disconnect":
                    received.append(message)
            else:
                await send(answer(message))

    event_loop.run(RefreshGuard(application)({"type": "websocket"}, receive, send))
    assert answers == [answer(message) for message in messages if not isinstance(message, str)]
    return received


@pytest.mark.parametrize("end", [WHOLE, WRONG])
def test_a_refresh_waits_for_the_page(end: int) -> None:
    assert passed(REFRESH, PAGE, REFRESH, REFRESH, None, REFRESH, end, REFRESH, PART, REFRESH) == [
        REFRESH,
        PAGE,
        REFRESH,
        REFRESH,
    ]


def test_the_end_of_a_part_does_not_complete_a_page() -> None:
    """Messages of a part can be under way when the page is requested."""
    assert passed(PAGE, PART, REFRESH, WHOLE, REFRESH) == [PAGE, REFRESH]


def test_a_run_that_another_one_interrupts_has_not_ended() -> None:
    assert passed(REFRESH, EARLY, REFRESH, WHOLE, REFRESH) == [REFRESH, REFRESH]
    assert passed(REFRESH, EARLY, REFRESH, PART, REFRESH) == [REFRESH, REFRESH]


def test_what_a_visitor_does_always_passes() -> None:
    assert passed(PAGE, CLICK, STOP, PAGE, CLICK) == [PAGE, CLICK, STOP, PAGE, CLICK]


def test_refreshes_pass_again_if_no_page_is_ever_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(no_refresh_while_drawing, "LONGEST_SECONDS", 0.0)
    assert passed(PAGE, REFRESH) == [PAGE, REFRESH]


@pytest.mark.parametrize(("kind", "values"), [(REFRESH, 0), (PAGE, 1), (CLICK, 1)])
def test_a_refresh_has_no_values_of_controls(kind: str, values: int) -> None:
    """A button that the visitor has just clicked would act for the refresh and again for the page."""
    sent = request(kind)
    message = BackMsg.FromString(sent["bytes"])
    message.rerun_script.widget_states.widgets.add(id="button", trigger_value=True)
    sent["bytes"] = message.SerializeToString()

    async def run() -> Any:
        async def receive() -> Any:
            return sent

        async def application(_scope: Any, receive: Any, _send: Any) -> None:
            received = await receive()
            of_application = BackMsg.FromString(received["bytes"]).rerun_script
            assert len(of_application.widget_states.widgets) == values
            assert of_application.fragment_id == message.rerun_script.fragment_id
            assert of_application.query_string == kind

        await RefreshGuard(application)({"type": "websocket"}, receive, receive)

    event_loop.run(run())


@pytest.mark.parametrize("data", [None, b"", b"\xff\xff", b"text"])
def test_anything_else_passes_unchanged(data: bytes | None) -> None:
    message = {"type": "websocket.receive", "bytes": data, "text": "text"}

    async def run() -> Any:
        async def receive() -> Any:
            return message

        async def application(_scope: Any, receive: Any, _send: Any) -> None:
            assert await receive() is message

        await RefreshGuard(application)({"type": "websocket"}, receive, receive)

    event_loop.run(run())
