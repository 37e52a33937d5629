"""Where the store's tests keep their stores: DuckDB files, or with RNC_TEST_LAKE=1 lakes on a PostgreSQL of their own.

`RNC_TEST_LAKE=1 .venv-lake/bin/python -m pytest tests/rnc/store` runs them against the lake. What is about one file by its
nature is marked `one_file`, with the reason, and skipped there.
"""

import os
from collections.abc import Iterator

import pytest

from tests.rnc.store import postgres

LAKE = bool(os.environ.get("RNC_TEST_LAKE"))


@pytest.fixture(scope="session", autouse=LAKE)
def catalog() -> Iterator[str]:
    """A PostgreSQL server; under RNC_TEST_LAKE, whatever store a test makes is a lake there."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    with postgres.server(durable=False) as server:
        os.environ[postgres.VARIABLE] = server
        if LAKE:
            postgres.stores_are_lakes()
        yield server


@pytest.fixture(autouse=True)
def _one_file(request: pytest.FixtureRequest) -> None:
    """Skip, under RNC_TEST_LAKE, what is about one file."""
    mark = request.node.get_closest_marker("one_file")
    if LAKE and mark:
        pytest.skip(f"about one file: {mark.args[0]}")
    if LAKE and "own_tiny_store" in request.fixturenames:
        pytest.skip("a lake is not copied by copying what stands for it")
