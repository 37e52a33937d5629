"""Streamlit's scripts, styles and fonts, each read at once.

A first visit asks for 150 of them while the server loads the libraries of pages. Streamlit's own answer reads a file in parts of
64 kB, in other threads, and every part waits for its turn beside the imports.

Tested by tests/rnc/ui/test_serve_streamlit_files.py.
"""

import mimetypes
from pathlib import Path
from typing import Any

from streamlit import file_util

from rnc.ui.random_addresses import add_base_path

_FOLDER = "static"
_KEPT = b"public, immutable, max-age=31536000"
"""A browser keeps a file for a year, as by Streamlit's own answer: a file's name has a checksum of its content."""


class StreamlitFiles:
    """An ASGI application that wraps another one, and answers requests for the files that Streamlit's page loads."""

    def __init__(self, app: Any) -> None:
        """Wrap the ASGI application `app`, and list the files."""
        self._app = app
        folder = Path(file_util.get_static_dir()) / _FOLDER
        files = [path for path in folder.rglob("*") if path.is_file()]
        self._files = {add_base_path(f"{_FOLDER}/{path.relative_to(folder).as_posix()}"): path for path in files}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request with a file, if it is for exactly one of those listed, and by the wrapped application otherwise."""
        path = self._files.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if path is None:
            await self._app(scope, receive, send)
            return
        try:
            content = path.read_bytes()
        except OSError:  # removed since, by an update of Streamlit
            await self._app(scope, receive, send)
            return
        headers = [
            (b"content-type", (mimetypes.guess_type(path.name)[0] or "application/octet-stream").encode()),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", _KEPT),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
