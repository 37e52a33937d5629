"""One lab and one training a server, whatever a visitor's browser asks Streamlit to forget."""

import ast
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from rnc.ui import opened_store
from rnc.ui.lab import server_job_queue
from tests.architecture import python_files
from tests.conftest import ROOT


def clear() -> None:
    """Clear the caches as Streamlit does for a `clear_cache` message of any visitor."""
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture(autouse=True)
def _a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RNC_STORE", str(tmp_path / "rnc.duckdb"))
    yield
    server_job_queue.job_queue().close()


def test_the_lab_stays(tmp_path: Path) -> None:
    before = server_job_queue.job_queue()
    clear()
    assert server_job_queue.job_queue() is before


def test_the_lab_is_one_for_sessions_that_come_at_once() -> None:
    server_job_queue.job_queue().close()
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(server_job_queue.job_queue())) for _turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1


def test_the_training_stays() -> None:
    before = opened_store.training()
    clear()
    assert opened_store.training() is before


CLEARED = {
    "rnc/ui/opened_store.py": {"_reader"},  # (a reader holds answers that it can read again, and no process or file)
    "rnc/ui/projections/sample_images.py": {"_read"},  # (images that are read again)
}


def test_nothing_in_streamlits_cache_is_a_process_or_a_thread() -> None:
    """Each function that is cached there is listed above, with what it costs when a visitor clears it."""
    found = {}
    for path in python_files():
        tree = ast.parse(path.read_text())
        names = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and any("st.cache" in ast.unparse(by) for by in node.decorator_list)
        }
        if names:
            found[str(path.relative_to(ROOT))] = names
    assert all(names <= CLEARED.get(path, set()) for path, names in found.items()), found


@pytest.fixture
def served(tiny_store: Path) -> Iterator[tuple[int, int]]:
    """The port and the process number of a public view of a store with a network in it."""
    with closing(socket.socket()) as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    environment = os.environ | {"RNC_STORE": str(tiny_store), "RNC_READONLY": "1"}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            assert server.poll() is None, "the server ended"
            with closing(socket.socket()) as asked:
                if asked.connect_ex(("localhost", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.kill()
        server.wait()


def visit(port: int, *, clears: bool) -> None:
    """One session: open the attack lab, and ask Streamlit to forget its caches before, as no page offers to a visitor."""
    address = f"ws://localhost:{port}/_stcore/stream"
    with connect(address, origin=f"http://localhost:{port}", max_size=None) as session:  # type: ignore[arg-type]
        for turn in range(2):
            if clears and turn:
                session.send(BackMsg(clear_cache=True).SerializeToString())
            message = BackMsg()
            message.rerun_script.page_name = "attack_lab"
            message.rerun_script.query_string = f"lab_images={20 + turn}"
            session.send(message.SerializeToString())
            while True:
                heard = ForwardMsg()
                heard.ParseFromString(session.recv(timeout=120))  # type: ignore[arg-type]
                if heard.WhichOneof("type") == "script_finished":
                    break


def workers(server: int) -> set[int]:
    """The lab's workers that a server has started."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (path / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == server and b"rnc.lab.engine.worker" in command:
            found.add(int(path.name))
    return found


def test_a_visitor_who_clears_the_cache_starts_no_second_worker(served: tuple[int, int]) -> None:
    """Over a WebSocket, to a real server: each time there was one more process of 600 MB."""
    port, server = served
    visit(port, clears=False)
    while not (first := workers(server)):
        time.sleep(0.1)
    for _turn in range(3):
        visit(port, clears=True)
        assert workers(server) == first
