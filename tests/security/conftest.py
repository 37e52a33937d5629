"""The server that takes hostile stores through every part of the program, and the honest store that they are made of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.guard import World, make_world
from tests.security.hostile_stores import Base, make_base
from tests.security.job_server import Server


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
