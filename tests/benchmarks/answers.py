"""Milliseconds until the dashboard's server has answered a small request, on uvloop and on asyncio's own event loop.

    python -m tests.benchmarks.answers [--requests 200]

One server each on an empty store, and one connection each that stays open, as a browser's does. Medians of all requests.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from unittest.mock import patch

import streamlit
import torch

from docs.tools import app, table
from tests.benchmarks.machine import machine
from tests.benchmarks.results import header

_SCRIPTS = sorted((Path(streamlit.__file__).parent / "static" / "static" / "js").glob("*.js"), key=os.path.getsize)
_REQUESTS = {
    "health check": "/_stcore/health",
    "smallest script": f"/static/js/{_SCRIPTS[0].name}",
    "script in the middle": f"/static/js/{_SCRIPTS[len(_SCRIPTS) // 2].name}",
}


@contextmanager
def _without_uvloop(folder: Path) -> Iterator[None]:
    """Let servers started within find no uvloop."""
    (folder / "uvloop.py").write_text("raise ModuleNotFoundError('hidden by a benchmark')\n")
    with patch.dict(os.environ, PYTHONPATH=str(folder)):
        yield


def _milliseconds(store: Path, requests: int) -> dict[str, float]:
    with app(store, "") as address:
        connection = HTTPConnection(address.removeprefix("http://"))
        for _attempt in range(600):
            try:
                connection.connect()
                break
            except OSError:
                time.sleep(0.1)
        time.sleep(15)  # until the preparation of the server is over
        return {name: _median(connection, path, requests) for name, path in _REQUESTS.items()}


def _median(connection: HTTPConnection, path: str, requests: int) -> float:
    connection.close()
    taken = []
    for _request in range(requests):
        begin = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        taken.append(1_000 * (time.perf_counter() - begin))
        assert answer.status == 200, (path, answer.status)
    return statistics.median(taken)


def main(arguments: list[str] | None = None) -> None:
    """Measure both servers, one after the other, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200, help="requests of each kind (default 200)")
    requests = parser.parse_args(arguments).requests
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "rnc.duckdb"
        uvloop = _milliseconds(store, requests)
        with _without_uvloop(Path(folder)):
            plain = _milliseconds(store, requests)
    rows = [[name, f"{plain[name]:.2f}", f"{ms:.2f}", f"{plain[name] / ms:.1f}"] for name, ms in uvloop.items()]
    sys.stdout.write(header(machine(torch.device("cpu")), {"requests": requests}) + "\n\n")
    sys.stdout.write(table(["request", "asyncio ms", "uvloop ms", "ratio"], rows) + "\n")


if __name__ == "__main__":
    main()
