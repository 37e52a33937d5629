"""Streamlit's files come whole, with their kind, and nothing else of the disk does."""

from pathlib import Path
from typing import Any

import pytest
from streamlit import config, file_util

from rnc.ui.serve_streamlit_files import StreamlitFiles
from tests import event_loop

FILES = sorted((Path(file_util.get_static_dir()) / "static").rglob("*.*"))
SCRIPT = next(path for path in FILES if path.suffix == ".js")


def answered(path: str, method: str = "GET", kind: str = "http") -> tuple[dict[bytes, bytes], bytes | None]:
    """The headers and the body of an answer; no headers and None if the wrapped application was asked."""
    sent: list[dict[str, Any]] = []
    asked: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        asked.append(scope["type"])

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    event_loop.run(StreamlitFiles(app)({"type": kind, "method": method, "path": path}, None, send))
    assert bool(asked) != bool(sent)
    return (dict(sent[0]["headers"]), sent[1]["body"]) if sent else ({}, None)


@pytest.mark.parametrize("suffix", sorted({path.suffix for path in FILES}))
def test_a_file_comes_whole_with_its_kind(suffix: str) -> None:
    path = max((path for path in FILES if path.suffix == suffix), key=lambda path: path.stat().st_size)
    headers, body = answered(f"/static/{path.parent.name}/{path.name}")
    assert body == path.read_bytes() and headers[b"content-length"] == str(len(body)).encode()
    kinds = {
        ".js": b"javascript",
        ".css": b"text/css",
        ".woff2": b"font/woff2",
        ".png": b"image/png",
        ".svg": b"image/svg",
    }
    assert kinds.get(suffix, b"") in headers[b"content-type"]
    assert b"immutable" in headers[b"cache-control"]


def test_it_is_at_the_address_below_which_the_app_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = config.get_option
    monkeypatch.setattr(config, "get_option", lambda key: "/apps/rnc/" if key == "server.baseUrlPath" else usual(key))
    assert answered(f"/apps/rnc/static/js/{SCRIPT.name}")[1] == SCRIPT.read_bytes()
    assert answered(f"/static/js/{SCRIPT.name}")[1] is None


@pytest.mark.parametrize(
    "request_",
    [
        {"path": f"/static/js/{SCRIPT.name}", "method": "HEAD"},
        {"path": f"/static/js/{SCRIPT.name}", "kind": "websocket"},
        {"path": "/static/js/../../index.html"},
        {"path": "/static/js/../../../file_util.py"},
        {"path": f"/static/js//{SCRIPT.name}"},
        {"path": "/static/js"},
        {"path": "/static/js/none.js"},
        {"path": str(SCRIPT)},
        {"path": "/"},
    ],
)
def test_everything_else_is_asked_of_the_wrapped_application(request_: dict[str, str]) -> None:
    assert answered(**request_)[1] is None
    if "kind" not in request_ and "method" not in request_:
        return
    assert answered(request_["path"])[1] == SCRIPT.read_bytes()


def test_a_file_that_was_removed_meanwhile_is_asked_of_the_wrapped_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "static" / "js" / "one.js"
    script.parent.mkdir(parents=True)
    script.write_text("1")
    monkeypatch.setattr(file_util, "get_static_dir", lambda: str(tmp_path))
    asked: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        asked.append(scope["path"])

    files = StreamlitFiles(app)
    script.unlink()
    event_loop.run(files({"type": "http", "method": "GET", "path": "/static/js/one.js"}, None, None))
    assert asked == ["/static/js/one.js"]
