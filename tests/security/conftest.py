"""The server that takes hostile stores through every part of the program, and the honest store that they are made of."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.guard import World, make_world
from tests.security.hostile_stores import Base, make_base
from tests.security.job_server import Server

# Every hostile value through every part takes long; `RNC_TEST_HOSTILE=1 pytest tests/security` runs them.
if "RNC_TEST_HOSTILE" not in os.environ:
    collect_ignore = [
        "test_hostile_stores.py",
        "test_hostile_bundles.py",
        "test_hostile_files.py",
        "test_job_server.py",
    ]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Takes jobs; ends with the session."""
    server = Server(tmp_path_factory.mktemp("jobs"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def base(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The honest store."""
    return make_base(tiny_store, tmp_path_factory.mktemp("base") / "store")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A victim's files, and an empty folder for what was sent."""
    return make_world(tmp_path / "world")
