"""A script that is added to Streamlit's page: one entry in the history for an act of the visitor, a page that is seen on a phone,
controls and charts whose scripts are there when they are needed, and a legend that stays above a chart in full screen.

Streamlit adds an entry whenever a script writes into the address, also when it completes the address of a visit that has just
begun, or when a control has added an entry already. Back would lead from the one to the other, where the page looks the same
and may write the same address again. On a phone, Streamlit leaves the sidebar open over the page that was chosen in it. A
browser asks for the scripts of a control or a chart when the first one arrives, after it has waited for the server; now it loads
them while it waits. A chart in full screen covers the legend that panels share, and is as high as the window, without the room
that the legend needs. Rules of style with `:has(~ ...)` could find that legend, but for such rules a browser computes the style
of the whole page anew for each element that is added, which took a third of the time to draw a page of curves.

Tested by tests/rnc/ui/test_page_script.py.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from streamlit import file_util

ELEMENTS = (
    "Html",
    "Multiselect",
    "BidiComponent",
    "Slider",
    "Checkbox",
    "Selectbox",
    "ButtonGroup",
    "ArrowVegaLiteChart",
    "loadVegaEmbed",
    "embed",
)
"""The elements that every page has or most pages have, as Streamlit names their scripts."""

_SCRIPT = """<script>
(() => {
  const { pushState, replaceState } = history;
  let hasVisitorActed = false;  // since the last entry
  for (const kind of ["pointerdown", "keydown", "popstate"]) {
    addEventListener(kind, (event) => { if (!event.repeat) hasVisitorActed = kind !== "popstate"; }, { capture: true });
  }
  addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("[data-testid=stSidebarNavLink]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !matchMedia("(max-width: 768px)").matches) return;
    setTimeout(() => {  // after Streamlit has answered the click
      const collapse = document.querySelector("[data-testid=stSidebarCollapseButton] button");
      if (collapse) collapse.click();
    });
  }, { capture: true });
  const changeAddress = (asked) => function (state, title, address) {
    const isSamePage = address && new URL(address, location.href).pathname === location.pathname;
    const change = isSamePage ? (hasVisitorActed ? pushState : replaceState) : asked;
    hasVisitorActed = false;
    return change.call(history, state, title, address);
  };
  history.pushState = changeAddress(pushState);
  history.replaceState = changeAddress(replaceState);
  new PerformanceObserver((list, observer) => {  // the page asks for its settings immediately before it connects to the server
    if (!list.getEntries().some((entry) => entry.name.endsWith("/_stcore/host-config"))) return;
    observer.disconnect();
    const main = document.querySelector("script[type=module][src]");
    for (const name of main ? scriptsOfElements : []) import(new URL(name, main.src).href).catch(() => {});
  }).observe({ type: "resource", buffered: true });
  const isLegend = (element) => element.querySelector(":scope > [data-testid=stHtml] > .rnc-legend");
  const legendBefore = (element) => {  // the last one before the element in its block
    const siblings = [...element.parentElement.children];
    return siblings.slice(0, siblings.indexOf(element)).findLast(isLegend);
  };
  const windowHeight = Object.getOwnPropertyDescriptor(window, "innerHeight");
  let heightOfLegend = 0;
  Object.defineProperty(window, "innerHeight", { ...windowHeight, get: () => windowHeight.get.call(window) - heightOfLegend });
  const leaveRoomForLegend = (height) => {  // Streamlit gives a chart in full screen the window's height when that changes
    if (height === heightOfLegend) return;
    heightOfLegend = height;
    dispatchEvent(new Event("resize"));
  };
  const markFullScreen = () => {
    for (const element of document.querySelectorAll("[data-full-screen]")) element.removeAttribute("data-full-screen");
    const close = document.querySelector('[data-testid=stFullScreenFrame] [aria-label^="Close fullscreen:"]');
    if (!close) return leaveRoomForLegend(0);
    const frame = close.closest("[data-testid=stFullScreenFrame]");
    let legend;
    for (let at = frame; at !== document.body && !legend; at = at.parentElement) legend = legendBefore(at);
    if (!legend) return leaveRoomForLegend(0);
    const roomAbove = () => parseFloat(getComputedStyle(frame).paddingTop), before = roomAbove();
    frame.setAttribute("data-full-screen", "chart");
    legend.setAttribute("data-full-screen", "legend");
    frame.style.setProperty("--end-of-legend", `${legend.getBoundingClientRect().bottom}px`);
    leaveRoomForLegend(roomAbove() - before);
  };
  for (const kind of ["click", "keydown", "resize"]) {  // full screen begins and ends by a click or by Escape
    addEventListener(kind, () => setTimeout(markFullScreen), { capture: true });
  }
})();
</script>"""
_BEFORE = b"<head>"
_OF_THE_FILE = (b"content-length", b"etag", b"last-modified")


class PageScript:
    """An ASGI application that wraps another one and adds a script to its pages.

    Only the first change of the address after a visitor has clicked or pressed a key, however long, adds an entry to the history;
    each other one on the same page replaces the last entry. In a window as narrow as a phone's, where the sidebar covers the
    page, it is closed when a page is chosen in it. When the page has loaded its own scripts, it loads those of `ELEMENTS`. While
    a chart that shares a legend is in full screen, its frame and the legend have the attribute `data-full-screen`, which
    rnc/ui/style.py uses, and the chart has the height that is left.
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


@cache
def scripts_of_elements() -> list[str]:
    """Return the names of the files of `ELEMENTS`, which contain a checksum; those that Streamlit does not have are left out."""
    files = sorted((Path(file_util.get_static_dir()) / "static" / "js").glob("*.js"))
    return [file.name for element in ELEMENTS for file in files if file.name.partition(".")[0] == element]


@cache
def _script() -> bytes:
    return _SCRIPT.replace("scriptsOfElements", json.dumps(scripts_of_elements())).encode()


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
            body = body.replace(_BEFORE, _BEFORE + _script(), 1)
            headers = [header for header in headers if header[0].lower() not in _OF_THE_FILE]
            headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return with_script
