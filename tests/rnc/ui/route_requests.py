"""Requests to the app's own routes, without a server."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from tests import event_loop


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    headers: dict[str, str]
    content: bytes


def ask(routes: Sequence[BaseRoute], path: str, method: str = "GET") -> Answer:
    """Send a request to a server that has nothing but these routes."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "root_path": "", "query_string": b"", "headers": []}
    served = Starlette(routes=routes)(scope, receive, send)
    event_loop.run(served)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))
