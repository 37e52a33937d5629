"""The real server, as it comes up by default: whom it hears, and that no address leads to a file."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT

_CANARY = "the contents of a file that nobody may see"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server's port, with `secret.txt` beside its store."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "secret.txt").write_text(_CANARY)
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        number = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={number}"]
    environment = os.environ | {"RNC_STORE": str(folder / "rnc.duckdb")}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None, "the server ended"
            try:
                if ask(number, "GET", "/_stcore/health")[0] == 200:
                    break
            except OSError:
                time.sleep(0.2)
        yield number
    finally:
        server.kill()
        server.wait()


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of one request, its path sent as it is."""
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = b"" if answer.status == 101 else answer.read()
    connection.close()
    return answer.status, content


def test_it_listens_on_this_machine_alone(port: int) -> None:
    """127.0.0.2 is this machine too, and stands for every address but localhost's."""
    with closing(socket.socket()) as other:
        other.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))


def websocket(port: int, origin: str) -> int:
    return ask(
        port, "GET", "/_stcore/stream", Connection="Upgrade", Upgrade="websocket", Origin=origin, Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
    )[0]  # fmt: skip


def test_a_session_is_for_pages_of_its_own(port: int) -> None:
    assert websocket(port, f"http://localhost:{port}") == 101
    for origin in ("http://evil.example", f"http://localhost.evil.example:{port}", "null", "file://"):
        assert websocket(port, origin) == 403, origin


def test_what_is_sent_needs_a_session_and_a_token(port: int) -> None:
    for method in ("PUT", "POST", "DELETE"):
        for path in ("/_stcore/upload_file/x/y", "/_stcore/upload_file/../../x/y", "/"):
            status, _content = ask(port, method, path, b"x" * 2_000_000)
            assert 400 <= status < 500, (method, path, status)


TRAVERSALS = [
    prefix + way + target
    for prefix in (
        "/",
        "/static/",
        "/app/static/",
        "/media/",
        "/_stcore/",
        "/component/x/",
        "/_stcore/bidi-components/x/",
    )
    for way in ("../" * 12, "%2e%2e/" * 12, "..%2f" * 12, "..%5c" * 12, "....//" * 12, "/", "%00")
    for target in ("etc/passwd", "app.py", "secret.txt", "rnc.duckdb")
]


def test_no_address_leads_to_a_file(port: int) -> None:
    for path in TRAVERSALS:
        _status, content = ask(port, "GET", path)
        for secret in (b"root:", b"st.navigation", _CANARY.encode()):
            assert secret not in content, path


def test_the_container_is_not_roots() -> None:
    dockerfile = Path(ROOT, "Dockerfile")
    if not dockerfile.exists():
        pytest.skip("there is no Dockerfile")
    users = re.findall(r"^USER\s+(\S+)", dockerfile.read_text(), re.MULTILINE)
    assert users and users[-1].split(":")[0] not in ("root", "0")
