"""Refuse requests that a page of this dashboard would not send, before Streamlit sees them.

A browser lets any website send requests to any address, this machine's included. Three checks keep other sites' pages away:
the name in the Host header must be one that the dashboard is served under (else a site that points its own name at this
machine, by DNS rebinding, would pass for the dashboard); the Origin header, where there is one, must be the same host and
port; and nothing is taken but GET requests and one WebSocket, since no page takes a file. Answers carry a content security
policy, by which a browser asks no other host for images, scripts or data.

The names are Streamlit's setting `server.allowedHosts`; this machine's own names where that is empty.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from streamlit import config

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
MOST_MESSAGE_BYTES = 2 * 2**20
"""What one message of a visitor may hold: the states of a page's controls, which are a few kB."""
_MOST_HEARD_BYTES = 8 * 2**20
_EVERY_ADDRESS = ("0.0.0.0", "::")  # (listened on, but no name of a host)
_HEALTH = "/_stcore/health"
_METHODS = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; frame-src 'self' blob: data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
"""Vega compiles its expressions ('unsafe-eval'), and Streamlit writes styles and a script into its page ('unsafe-inline')."""
_HOW = "Start it with --server.allowedHosts NAME (or STREAMLIT_SERVER_ALLOWED_HOSTS) to serve it under that name."


class RequestGuard:
    """An ASGI application around another one, to which it passes on what may be asked."""

    def __init__(self, app: Any) -> None:
        """`app` is the ASGI application inside."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one connection, by a refusal or by the application inside."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif refused := refusal(scope):
            await _refuse(scope, receive, send, *refused)
        elif scope["type"] == "websocket":
            await self._app(scope, _bounded(receive, send), send)
        else:
            await self._app(scope, receive, _with_policy(send))


def refusal(scope: Any) -> tuple[int, str] | None:
    """Return the status and the reason for refusing an ASGI `scope`; None where it may pass."""
    if scope["type"] == "http":
        if scope["method"] not in _METHODS:
            return 405, "This dashboard takes no data: only GET requests are answered."
        if scope["path"].endswith(_HEALTH):  # (containers ask for it by whatever address they know)
            return None
    hosts = _header(scope, b"host")
    host = _parsed(f"//{hosts[0]}") if len(hosts) == 1 else None
    if host is None or not _is_served_under(host.hostname or ""):
        return 403, f"This dashboard is not served under the name that was asked for. {_HOW}"
    origins = _header(scope, b"origin")
    if origins and not (len(origins) == 1 and _is_own_origin(origins[0], host)):
        return 403, "Pages of another origin may not use this dashboard."
    return None


def _header(scope: Any, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _parsed(address: str) -> SplitResult | None:
    """Return the parts of `//host:port` or `scheme://host:port`; None for anything with more or less than that."""
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
    """Return the names of the setting, in lower case; the machine's own, and the address that is listened on, without it."""
    told = [name for entry in config.get_option("server.allowedHosts") for name in re.split(r"[\s,]+", str(entry))]
    address = config.get_option("server.address")
    names = [name for name in told if name] or [*LOCAL_NAMES, *([address] if address not in _EVERY_ADDRESS else [])]
    return [name.lower().strip("[]").rstrip(".") for name in names if name]


def _is_own_origin(origin: str, host: SplitResult) -> bool:
    """Return whether an origin has the host and port of the request, or is one of `server.corsAllowedOrigins`."""
    asked = _parsed(origin)
    if asked is None or asked.scheme not in _PORTS:
        return False
    usual = _PORTS[asked.scheme]
    listed = [str(entry).strip().rstrip("/").lower() for entry in config.get_option("server.corsAllowedOrigins")]
    same = (asked.hostname, asked.port or usual) == (host.hostname, host.port or usual)
    return same or origin.lower() in listed


async def _refuse(scope: Any, receive: Any, send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":  # (closed before it is accepted: the browser is told 403)
        await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})
        return
    heard = 0  # (who sends a body listens for the answer when it is sent; nothing of it is kept)
    while heard < _MOST_HEARD_BYTES:
        message = await receive()
        heard += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})


def _bounded(receive: Any, send: Any) -> Any:
    """Return a `receive` that ends a WebSocket which sends too large a message."""

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
