"""Tools that make the documents: tables between markers, the real app, and a browser."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]


def fill(document: Path, name: str, text: str) -> None:
    """Put a text between `<!-- name -->` and `<!-- end -->` of a document. Raises ValueError unless there is one such place."""
    before = document.read_text()
    after, places = re.subn(
        rf"<!-- {name} -->\n.*?<!-- end -->",
        lambda _match: f"<!-- {name} -->\n{text}\n<!-- end -->",
        before,
        flags=re.DOTALL,
    )
    if places != 1:
        raise ValueError(f"{document} has {places} places <!-- {name} -->, but exactly one is needed")
    document.write_text(after)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


@contextmanager
def served(store: Path, gallery: str | None, checkout: Path = ROOT) -> Iterator[tuple[str, int]]:
    """Run the app on a store and a folder of published runs (None: the default); yield its address and process id."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    variables = {"RNC_STORE": str(store)} | ({} if gallery is None else {"RNC_GALLERY": gallery})
    server = subprocess.Popen(command, cwd=checkout, env=os.environ | variables)
    try:
        yield f"http://localhost:{port}", server.pid
    finally:
        server.terminate()
        server.wait()


@contextmanager
def app(store: Path, gallery: str | None) -> Iterator[str]:
    """Run the app like `served`; yield its address."""
    with served(store, gallery) as (address, _process):
        yield address


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless browser."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


def visit(page: Page, address: str, settle_ms: int = 4_000) -> None:
    """Go to an address as soon as its server answers, and wait until its charts are drawn."""
    for _attempt in range(1_200):
        try:
            page.goto(address)
            break
        except Error:
            page.wait_for_timeout(50)
    page.wait_for_selector("canvas, svg.marks", timeout=120_000)
    page.wait_for_timeout(settle_ms)
