"""The real server, as it comes up by default: whom it hears, and that no address leads to a file (rnc/ui/request_guard.py)."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

_CANARY = "the contents of a file that nobody may see"


@contextmanager
def served(folder: Path, *flags: str, **settings: str) -> Iterator[int]:
    """A server on a store in a folder, by its port."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        number = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={number}", *flags]
    environment = os.environ | {"RNC_STORE": str(folder / "rnc.duckdb")} | settings
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


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server's port, with `secret.txt` beside its store."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "secret.txt").write_text(_CANARY)
    with served(folder) as number:
        yield number


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


def test_the_server_listens_only_on_localhost(port: int) -> None:
    """127.0.0.2 is this machine too, and stands for every address but localhost's."""
    with closing(socket.socket()) as other:
        other.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))


def websocket(port: int, origin: str | None, **headers: str) -> int:
    """The status that a browser gets which asks for a session from a page of this origin."""
    asked = headers if origin is None else headers | {"Origin": origin}
    return ask(
        port, "GET", "/_stcore/stream", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **asked,
    )[0]  # fmt: skip


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_a_session_is_opened_for_pages_of_the_same_origin(port: int, name: str) -> None:
    assert websocket(port, f"http://{name}:{port}".lower(), Host=f"{name}:{port}") == 101
    assert ask(port, "GET", "/", Host=f"{name}:{port}")[0] == 200


@pytest.mark.parametrize("origin", [
    "http://evil.example", "http://localhost.evil.example:{port}", "null", "file://", "http://localhost", "http://localhost:1",
    "http://127.0.0.1:{port}", "http://localhost:{port}@evil.example", "http://evil.example:{port}", "",
    "http://localhost:{port}/x", "ftp://localhost:{port}", "http://localhost:{other}", "http://0.0.0.0:{port}",
])  # fmt: skip
def test_pages_of_other_origins_and_ports_get_nothing(port: int, origin: str) -> None:
    told = origin.format(port=port, other=port + 1)
    assert websocket(port, told) == 403
    assert ask(port, "GET", "/", Origin=told)[0] == 403


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:{port}", "localhost.evil.example", "evil.example.localhost:{port}", "localhost@evil.example",
    "127.0.0.1.evil.example:{port}", "", "2130706433:{port}", "[::1", "localhost:{port}/x",
])  # fmt: skip
def test_a_name_that_is_not_ours_gets_nothing(port: int, host: str) -> None:
    """DNS rebinding: a site points its own name at this machine, so that Host and Origin agree."""
    told = host.format(port=port)
    assert websocket(port, f"http://{told}", Host=told) in (400, 403)
    assert websocket(port, None, Host=told) in (400, 403)
    for path in ("/", "/_stcore/host-config", "/media/x"):
        assert ask(port, "GET", path, Host=told)[0] in (400, 403), path


def test_the_health_check_of_a_container_works_at_any_address(port: int) -> None:
    assert ask(port, "GET", "/_stcore/health", Host="10.1.2.3:8501")[0] == 200


def test_it_is_served_under_the_names_of_the_setting(tmp_path: Path) -> None:
    flags = ("--server.allowedHosts=rnc.example.org", "--server.allowedHosts=*.lab.example.org")
    with served(tmp_path, *flags) as port:
        for name in ("rnc.example.org", "a.lab.example.org", f"RNC.example.org.:{port}"):
            assert ask(port, "GET", "/", Host=name)[0] == 200, name
        assert websocket(port, "https://rnc.example.org", Host="rnc.example.org") == 101
        assert websocket(port, "https://rnc.example.org:8443", Host="rnc.example.org") == 403
        for name in ("lab.example.org", "evil.example", "xrnc.example.org", "localhost"):
            assert ask(port, "GET", "/", Host=name)[0] == 403, name


def test_the_setting_may_come_by_the_environment(tmp_path: Path) -> None:
    settings = {
        "STREAMLIT_SERVER_ALLOWED_HOSTS": "localhost rnc.example.org",
        "STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": "https://portal.example.org",
    }
    with served(tmp_path, **settings) as port:
        assert ask(port, "GET", "/", Host="rnc.example.org")[0] == 200
        assert websocket(port, f"http://localhost:{port}") == 101
        assert websocket(port, "https://portal.example.org", Host="rnc.example.org") == 101
        assert ask(port, "GET", "/", Host="evil.example")[0] == 403


def test_an_answer_says_that_browsers_ask_no_other_host(port: int) -> None:
    connection = http.client.HTTPConnection("localhost", port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert "img-src 'self' data: blob:;" in (answer.getheader("Content-Security-Policy") or "")
    connection.close()


def test_no_data_is_taken(port: int) -> None:
    """Whoever has a session and a token could fill the memory with files otherwise, which no page asks for."""
    token = "_streamlit_xsrf=2|01234567|0123456789abcdef0123456789abcdef|1700000000"
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        status, _content = ask(port, method, "/_stcore/upload_file/session/file", b"x" * 1000, Cookie=token)
        assert status == 405, method


def test_what_is_sent_is_refused_wherever_it_goes(port: int) -> None:
    for method in ("PUT", "POST", "DELETE"):
        for path in ("/_stcore/upload_file/x/y", "/_stcore/upload_file/../../x/y", "/"):
            assert ask(port, method, path, b"x" * 2_000_000)[0] == 405, (method, path)


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


def test_no_address_serves_a_file_of_the_disk(port: int) -> None:
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
