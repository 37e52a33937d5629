"""A real server and a headless Chromium. Without one the tests are skipped, loudly, or fail where RNC_REQUIRE_BROWSER=1."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize, WebSocket, expect, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 180_000  # other tests train the demo meanwhile
WINDOW: ViewportSize = {"width": 1440, "height": 900}
REFRESH_SECONDS = "1"  # between two looks for news of a training

LOOK_EVERY_MS = 100
"""Between two looks for what a test waits for: at every frame, as is Playwright's default, they keep the page busy."""

expect.set_options(timeout=PATIENCE_MS)
_MOST_SHOWN = 4_000
_NO_OPTIMISING = "--js-flags=--no-maglev --no-turbofan"
"""No page is open long enough for V8's optimising compilers to save what they cost, a quarter of a visit's processor."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add the pages and the ends of the servers' logs as they are at a failure to its report: a later visit may not show it."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    arguments = getattr(item, "funcargs", {})
    if page := next((value for value in arguments.values() if isinstance(value, Page)), None):
        for opened in page.context.pages:
            with suppress(Error):
                state = opened.evaluate("document.querySelector('[data-testid=stApp]')?.dataset.testScriptState")
                text = re.sub(r"\n+", "\n", opened.evaluate("document.body.innerText"))
                report.sections.append((f"Page {opened.url}, script {state}", text[:_MOST_SHOWN]))
    for log in sorted(Servers.logs, key=lambda log: log.stat().st_mtime)[-2:]:
        report.sections.append((log.name, log.read_text(errors="replace")[-_MOST_SHOWN:]))


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
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", _NO_OPTIMISING]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def script_server(script: str, texts: list[str]) -> Iterator[str]:
    """Serve a script of this folder, which reads `texts` from RNC_TEST_TEXTS; yield its address."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    file = str(ROOT / "tests" / "browser" / script)
    command = [sys.executable, "-m", "streamlit", "run", file, f"--server.port={port}", "--server.headless=true"]
    environment = os.environ | {"RNC_TEST_TEXTS": json.dumps(texts), "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://localhost:{port}"
    server.kill()
    server.wait()


class Servers:
    """Servers of the app, each on a store and a free port."""

    logs: ClassVar[list[Path]] = []
    """The output of all servers of this process."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[tuple[Path, str, subprocess.Popen]] = []

    def start(self, store: Path) -> str:
        """Start a server on a store and return its address, without waiting for it."""
        with closing(socket.socket()) as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
        environment = os.environ | {"RNC_STORE": str(store), "RNC_REFRESH_SECONDS": REFRESH_SECONDS}
        self.logs.append(self._logs / f"server-{port}.log")
        with self.logs[-1].open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self._started.append((store, f"http://localhost:{port}", process))
        return self._started[-1][1]

    def running(self, store: Path) -> str:
        """Return the address of a server on a store that runs, started now if none does."""
        found = [address for its, address, process in self._started if its == store and process.poll() is None]
        return found[0] if found else self.start(store)

    def end(self) -> None:
        """End all servers."""
        for store, _address, process in self._started:
            process.kill()
            process.wait()
            # (a training outlives the server that it was started from)
            subprocess.run(["pkill", "-KILL", "-f", f"train.run demo --store {store}"], check=False)
        self._started.clear()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Start fresh servers on stores; gives their addresses, and ends them."""
    servers = Servers(tmp_path)
    yield servers.start
    servers.end()


@pytest.fixture(scope="session")
def _shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.end()


@pytest.fixture
def demo_address(demo_store: Path, _shared_servers: Servers, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server of the demo that the tests of a session share; they only read the demo.

    What such a server keeps after a page is closed are the attack lab's worker and its results, by their request: each test asks
    the lab for something else. After a test that failed, and may have left an attack under way, the next one gets a new server.
    """
    failures = request.session.testsfailed
    yield _shared_servers.running(demo_store)
    if request.session.testsfailed > failures:
        _shared_servers.end()


def new_context(browser: Browser) -> BrowserContext:
    """Begin a visitor's profile of the browser, with a window of 1440 x 900.

    The visitor prefers reduced motion: moving placeholders cost more processor, drawn by software, than what they stand for. A
    test that is about motion says so: `page.emulate_media(reduced_motion="no-preference")`.
    """
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    return context


class SharedTab:
    """The tab that the tests of a session use one after the other.

    A new tab has a new process, which compiles all of Streamlit's scripts anew: half of what a visit costs.
    """

    def __init__(self, browser: Browser) -> None:
        self._context = new_context(browser)
        self._page: Page | None = None

    def page(self) -> Page:
        """Return the tab, or a new one after a test that failed."""
        if self._page is None or self._page.is_closed():
            self._page = self._context.new_page()
        return self._page

    def forget(self, failed: bool) -> None:
        """Leave nothing of a test to the next one: no other tab, no storage, no choice of window or media, no listener."""
        for opened in self._context.pages:
            with suppress(Error):  # (a document without an address has no storage)
                opened.evaluate("localStorage.clear(); sessionStorage.clear()")
            if failed or opened is not self._page:
                opened.close()
        self._context.clear_cookies()
        self._context.clear_permissions()
        for runs in ScriptRuns.listening:
            runs.stop()
        ScriptRuns.listening.clear()
        if self._page is not None and not self._page.is_closed():
            self._page.goto("about:blank")  # (an open page would go on asking its server for news)
            self._page.set_viewport_size(WINDOW)
            self._page.emulate_media(color_scheme="light", reduced_motion="reduce")
            self._page.mouse.move(0, 0)

    def close(self) -> None:
        """Close the visitor's profile."""
        self._context.close()


@pytest.fixture(scope="session")
def _shared_tab(browser: Browser) -> Iterator[SharedTab]:
    tab = SharedTab(browser)
    yield tab
    tab.close()


@pytest.fixture
def page(_shared_tab: SharedTab, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of 1440 x 900, of a visitor whose browser has loaded Streamlit's scripts before, but remembers nothing else."""
    failures = request.session.testsfailed
    yield _shared_tab.page()
    _shared_tab.forget(failed=request.session.testsfailed > failures)


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Page]:
    """A page of 1440 x 900 in a browser that has nothing in its memory: no script, no history."""
    context = new_context(browser)
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
        "[...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(e => e.querySelector('canvas, svg.marks'))",
        polling=LOOK_EVERY_MS,
    )


class ScriptRuns:
    """The runs of a page's script that the server tells the browser of.

    It must be made before the page is opened: of a connection that is open already, nothing is heard.
    """

    listening: ClassVar[list["ScriptRuns"]] = []
    """Those that a test has made, to be stopped after it."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.ended: list[int] = []
        page.on("websocket", self._listen)
        self.listening.append(self)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._note)

    def stop(self) -> None:
        """Hear of no other connection."""
        self._page.remove_listener("websocket", self._listen)

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


def go_to(page: Page, runs: ScriptRuns, name: str) -> None:
    """Choose a page of the app, named as its file, in the navigation, and wait until it is drawn."""
    title = name.replace("_", " ").capitalize()
    runs.one_more(page.get_by_test_id("stSidebarNav").get_by_text(title, exact=True).click)
    expect(page).to_have_url(re.compile(rf"^http://[^/]+/{'' if name == 'findings' else name}(\?|$)"))
