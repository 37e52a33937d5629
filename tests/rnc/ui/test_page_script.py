"""The script that is added to pages is in pages and in nothing else, and names scripts that Streamlit has."""

from typing import Any

import pytest

from rnc.ui.page_script import ELEMENTS, PageScript, scripts_of_elements
from tests import event_loop

PAGE = b"<!DOCTYPE html><html><head><title>x</title></head></html>"


def answered(
    body: bytes, kind: bytes = b"text/html; charset=utf-8", method: str = "GET", accept: bytes = b"text/html,*/*"
) -> tuple[dict[bytes, bytes], bytes, dict[str, Any]]:
    """The headers and the body of an answer that the application sends in two parts, and the request that it was given."""
    sent: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        asked.append(scope)
        headers = [(b"Content-Type", kind), (b"ETag", b"of the file"), (b"Content-Length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:9], "more_body": True})
        await send({"type": "http.response.body", "body": body[9:]})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"Accept", accept), (b"Accept-Encoding", b"gzip"), (b"Host", b"localhost")]
    event_loop.run(PageScript(app)({"type": "http", "method": method, "headers": headers}, None, send))
    assert [message["type"] for message in sent[:2]] == ["http.response.start", "http.response.body"]
    found = {name.lower(): value for name, value in sent[0]["headers"]}
    return found, b"".join(message.get("body", b"") for message in sent[1:]), asked[0]


def test_a_page_has_the_script_first() -> None:
    headers, body, asked = answered(PAGE)
    assert body.startswith(b"<!DOCTYPE html><html><head><script>") and body.endswith(b"<title>x</title></head></html>")
    assert headers[b"content-length"] == str(len(body)).encode() and b"etag" not in headers
    assert (b"Accept-Encoding", b"gzip") not in asked["headers"], "a compressed page could not be read"


@pytest.mark.parametrize(
    "changed",
    [{"kind": b"text/javascript"}, {"method": "HEAD"}, {"accept": b"*/*"}, {"body": b"no element of a head"}],
)
def test_other_answers_are_as_they_were(changed: dict[str, Any]) -> None:
    headers, body, _asked = answered(**({"body": PAGE} | changed))
    assert body == changed.get("body", PAGE) and headers[b"etag"] == b"of the file"
    assert headers[b"content-length"] == str(len(body)).encode()


def test_a_connection_that_is_no_request_is_passed_on() -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    event_loop.run(PageScript(app)({"type": "websocket", "headers": []}, None, None))
    event_loop.run(PageScript(app)({"type": "lifespan"}, None, None))
    assert seen == ["websocket", "lifespan"]


def test_every_element_has_one_script_which_the_page_names() -> None:
    """Another version of Streamlit may name them otherwise: a page then loads them later, and this test says so."""
    names = scripts_of_elements()
    assert [name.partition(".")[0] for name in names] == list(ELEMENTS)
    _headers, body, _asked = answered(PAGE)
    assert all(f'"{name}"'.encode() in body for name in names) and b"scriptsOfElements" not in body
