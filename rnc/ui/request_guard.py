"""Rejection of requests that no page of this dashboard would send, before Streamlit sees them.

A browser lets any website send requests to any address, including this machine's. Three checks reject pages of other sites. The
name in the Host header must be one under which the dashboard is served; otherwise a site could point its own name at this
machine (DNS rebinding) and pass as the dashboard. An Origin header must have the same host and port. Only GET requests and one
WebSocket are accepted, since no page takes a file. Answers contain a content security policy, so that a browser loads images,
scripts and data from no other host.

The names come from Streamlit's setting `server.allowedHosts`; if it is empty, they are this machine's own names.

Tested by tests/security/test_server.py.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from streamlit import config

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
MOST_MESSAGE_BYTES = 2 * 2**20
"""Largest size of a message from a visitor, which contains the states of a page's controls, usually a few kB."""
_MOST_HEARD_BYTES = 8 * 2**20
_EVERY_ADDRESS = ("0.0.0.0", "::")  # listening addresses, but not names of a host
_HEALTH = "/_stcore/health"
_METHODS = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
"""The content security policy of all answers.

Vega compiles its expressions ('unsafe-eval'), and Streamlit writes styles and a script into its page ('unsafe-inline').
"""
_HOW = "Start it with --server.allowedHosts NAME (or STREAMLIT_SERVER_ALLOWED_HOSTS) to serve it under that name."


class RequestGuard:
    """An ASGI application that wraps another one and passes accepted requests to it."""

    def __init__(self, app: Any) -> None:
        """Wrap the ASGI application `app`."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a connection with a refusal or with the wrapped application."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif refused := refusal(scope):
            await _refuse(scope, receive, send, *refused)
        elif scope["type"] == "websocket":
            await self._app(scope, _bounded(receive, send), send)
        else:
            await self._app(scope, receive, _with_policy(send))


def refusal(scope: Any) -> tuple[int, str] | None:
    """Return the status and the reason for refusing an ASGI `scope`; None if it is accepted."""
    if scope["type"] == "http":
        if scope["method"] not in _METHODS:
            return 405, "This dashboard takes no data: only GET requests are answered."
        if scope["path"].endswith(_HEALTH):  # containers send health checks to any address that they know
            return None
    hosts = _header(scope, b"host")
    host = _parsed(f"//{hosts[0]}") if len(hosts) == 1 else None
    if host is None or not _is_served_under(host.hostname or ""):
        return 403, f"This dashboard is not served under the requested name. {_HOW}"
    origins = _header(scope, b"origin")
    if origins and not (len(origins) == 1 and _is_allowed_origin(origins[0], host)):
        return 403, "Pages of another origin may not use this dashboard."
    return None


def _header(scope: Any, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _parsed(address: str) -> SplitResult | None:
    """Return the parts of `//host:port` or `scheme://host:port`; None if the address has other parts or no host."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    bare = parts.netloc and "@" not in parts.netloc and not (parts.path or parts.query or parts.fragment)
    return parts if bare and parts.hostname and port != 0 else None


def _is_served_under(name: str) -> bool:
    name = name.lower().rstrip(".")
    for allowed in _served_names():
        if allowed == "*" or name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:])):
            return True
    return False


def _served_names() -> Iterable[str]:
    """Return the names in the setting, in lower case; if it is empty, local names and the address that the server listens on."""
    listed = [name for entry in config.get_option("server.allowedHosts") for name in re.split(r"[\s,]+", str(entry))]
    address = config.get_option("server.address")
    names = [name for name in listed if name] or [*LOCAL_NAMES, *([address] if address not in _EVERY_ADDRESS else [])]
    return [name.lower().strip("[]").rstrip(".") for name in names if name]


def _is_allowed_origin(origin: str, host: SplitResult) -> bool:
    """Return whether an origin has the host and port of the request, or is one of `server.corsAllowedOrigins`."""
    parsed = _parsed(origin)
    if parsed is None or parsed.scheme not in _PORTS:
        return False
    usual = _PORTS[parsed.scheme]
    listed = [str(entry).strip().rstrip("/").lower() for entry in config.get_option("server.corsAllowedOrigins")]
    same = (parsed.hostname, parsed.port or usual) == (host.hostname, host.port or usual)
    return same or origin.lower() in listed


async def _refuse(scope: Any, receive: Any, send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":  # closed before it is accepted, so that the browser receives status 403
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})
        return
    heard = 0  # a client reads the answer only after sending the body, so the body is read and discarded
    while heard < _MOST_HEARD_BYTES:
        message = await receive()
        heard += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})


def _bounded(receive: Any, send: Any) -> Any:
    """Return a `receive` that closes a WebSocket if a message is too large."""

    async def bounded() -> Any:
        message = await receive()
        sent = message.get("bytes") or message.get("text") or ""
        if message["type"] == "websocket.receive" and len(sent) > MOST_MESSAGE_BYTES:
            await send({"type": "websocket.close", "code": 1009, "reason": "too large a message"})
            return {"type": "websocket.disconnect", "code": 1009}
        return message

    return bounded


def _with_policy(send: Any) -> Any:
    """Return a `send` that adds the content security policy to every answer."""
    added = [
        (b"content-security-policy", _POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    ]

    async def with_policy(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return with_policy
