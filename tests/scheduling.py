"""The order of the tests, and their distribution over the processes of `pytest -n 2 --dist loadscope`.

A test is a unit of its own, so that both processes end at the same time. Tests of a file with a fixture of module scope stay
together, so that it is made once.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

USES_DEMO = "demo_store"
"""The fixture of a training that begins with the first test; its tests run last."""


@cache
def shares_fixtures(file: str) -> bool:
    """Return whether a test file, relative to the root of the tree, has a fixture that its tests share."""
    return 'scope="module"' in Path(__file__).resolve().parents[1].joinpath(file).read_text()


def unit(node_id: str) -> str:
    """Return the name of the unit of a test: its file if the tests of the file share a fixture, else the test itself."""
    file = node_id.split("::")[0]
    return file if shares_fixtures(file) else node_id


def uses_demo(item: pytest.Item) -> bool:
    """Return whether a test needs the demo."""
    return USES_DEMO in getattr(item, "fixturenames", ())


def is_quick(item: pytest.Item) -> bool:
    """Return whether `make quick` runs a test."""
    marks = ("slow", "browser", "cluster")
    return not uses_demo(item) and all(item.get_closest_marker(mark) is None for mark in marks)


def order(items: list[pytest.Item]) -> None:
    """Sort the tests in place: units of the demo last, so that its training is done by then, and before others the slow ones.

    With RNC_TEST_QUICK set, only quick tests stay.
    """
    if os.environ.get("RNC_TEST_QUICK"):
        items[:] = filter(is_quick, items)
    late = {unit(item.nodeid) for item in items if uses_demo(item)}
    slow = {unit(item.nodeid) for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (unit(item.nodeid) in late, unit(item.nodeid) not in slow))


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return pytest-xdist's scheduler by scopes, with the units above as scopes."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    return ByUnit(config, log)
