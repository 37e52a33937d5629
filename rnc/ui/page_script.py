"""A script that is added to Streamlit's page: one entry in the history for the first visit, and a page that is seen on a phone.

Streamlit adds an entry whenever a script writes into the address, also when it completes the address of a visit that has just
begun. From that second entry, Back would lead to the same page, which writes the same address again. On a phone, Streamlit
leaves the sidebar open over the page that was chosen in it.

Tested by tests/rnc/ui/test_page_script.py.
"""

from typing import Any

_SCRIPT = b"""<script>
(() => {
  const push = history.pushState;
  let hasVisitorActed = false;
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => { hasVisitorActed = true; }, { capture: true, once: true });
  }
  addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("[data-testid=stSidebarNavLink]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !matchMedia("(max-width: 768px)").matches) return;
    setTimeout(() => {  // after Streamlit has answered the click
      const collapse = document.querySelector("[data-testid=stSidebarCollapseButton] button");
      if (collapse) collapse.click();
    });
  }, { capture: true });
  history.pushState = function (state, title, address) {
    const isSamePage = address && new URL(address, location.href).pathname === location.pathname;
    return (isSamePage && !hasVisitorActed ? history.replaceState : push).call(history, state, title, address);
  };
})();
</script>"""
_BEFORE = b"<head>"
_OF_THE_FILE = (b"content-length", b"etag", b"last-modified")


class PageScript:
    """An ASGI application that wraps another one and adds a script to its pages.

    Until the visitor has clicked or typed something, a changed address of the same page replaces the one in the history. In a
    window as narrow as a phone's, where the sidebar covers the page, it is closed when a page is chosen in it.
    """

    def __init__(self, app: Any) -> None:
        """Wrap the ASGI application `app`."""
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a connection with the wrapped application's answer, with the script if it is a page."""
        if scope["type"] == "http" and scope["method"] == "GET" and _asks_for_page(scope):
            plain = [header for header in scope["headers"] if header[0].lower() not in (b"accept-encoding", b"range")]
            await self._app({**scope, "headers": plain}, receive, _with_script(send))
        else:
            await self._app(scope, receive, send)


def _asks_for_page(scope: Any) -> bool:
    return any(name.lower() == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _with_script(send: Any) -> Any:
    """Return a `send` that keeps an answer back until it is complete, and adds the script if it is a page."""
    start: dict[str, Any] = {}
    parts: list[bytes] = []

    async def with_script(message: Any) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        if message["type"] != "http.response.body":
            await send(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = b"".join(parts)
        headers = list(start.get("headers", []))
        kinds = [value for name, value in headers if name.lower() == b"content-type"]
        if _BEFORE in body and any(kind.startswith(b"text/html") for kind in kinds):
            body = body.replace(_BEFORE, _BEFORE + _SCRIPT, 1)
            headers = [header for header in headers if header[0].lower() not in _OF_THE_FILE]
            headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return with_script
