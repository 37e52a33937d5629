"""A real server and a headless Chromium. Without one the tests are skipped, loudly, or fail where RNC_REQUIRE_BROWSER=1."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 180_000  # other tests train the demo meanwhile

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the session."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        message = "NO CHROMIUM FOUND: the browser tests did not run (Debian: apt-get install chromium)"
        if os.environ.get("RNC_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        print(f"\n*** {message} ***", file=sys.__stderr__)
        pytest.skip(message)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Start fresh servers on stores; gives their addresses, and ends them."""
    servers: list[subprocess.Popen] = []
    stores: list[Path] = []

    def start(store: Path) -> str:
        stores.append(store)
        with closing(socket.socket()) as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
        environment = os.environ | {"RNC_STORE": str(store)}
        log = (tmp_path / f"server-{port}.log").open("wb")
        servers.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        return f"http://localhost:{port}"

    yield start
    for server in servers:
        server.kill()
        server.wait()
    for store in stores:  # a training outlives the server that it was started from
        subprocess.run(["pkill", "-KILL", "-f", f"train.run demo --store {store}"], check=False)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of 1440 x 900."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def visit(page: Page, address: str) -> None:
    """Go to an address as soon as its server answers, and wait for the page's title."""
    for attempt in range(240):
        try:
            page.goto(address)
            break
        except Error:
            if attempt == 239:
                raise
            page.wait_for_timeout(250)
    page.wait_for_selector("h1")


def settle(page: Page) -> None:
    """Wait until the server has run the page's script, and its charts are drawn."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']")
    page.wait_for_function(
        "[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(e => e.querySelector('canvas, svg.marks'))"
    )


class ScriptRuns:
    """The runs of a page's script that the server tells the browser of, from before the page is opened on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.ended: list[int] = []
        page.on("websocket", lambda socket: socket.on("framereceived", self._note))

    def _note(self, frame: bytes | str) -> None:
        message = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        if message.WhichOneof("type") == "script_finished":
            self.ended.append(message.script_finished)

    @property
    def whole(self) -> int:
        """Runs of all of the script."""
        return self.ended.count(ForwardMsg.FINISHED_SUCCESSFULLY)

    @property
    def fragments_since(self) -> int:
        """Runs since then of a fragment alone, as that which looks for news every few seconds."""
        whole = [place for place, kind in enumerate(self.ended) if kind == ForwardMsg.FINISHED_SUCCESSFULLY]
        return self.ended[max(whole, default=0) :].count(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Listen until something is so."""
        for _moment in range(PATIENCE_MS // 50):
            if reached():
                return
            self._page.wait_for_timeout(50)
        pytest.fail(f"the script ran {self.whole} times, and since then a fragment {self.fragments_since} times")

    def one_more(self, act: Callable[[], object]) -> None:
        """Act, and wait until the script has run for it."""
        before = self.whole
        act()
        self.wait_until(lambda: self.whole > before)
        settle(self._page)
