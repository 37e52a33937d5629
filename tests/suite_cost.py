"""A pytest plugin that counts what the tests cost: `pytest -p tests.suite_cost --suite-cost FOLDER`.

Each process of the suite writes one JSON file to FOLDER: seconds for each test and phase, seconds of processor that the test and
what it started took, seconds for each fixture, and how many processes, pages and browsers each test started.
`python -m tests.suite_cost FOLDER` prints the tables of docs/testing.md. Processes that outlive the one that started them are not
counted, and the demo's training is counted with the tests beside it: RNC_TEST_DEMO=FILE leaves it out.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

_tests: dict[str, dict[str, float]] = defaultdict(Counter)
_fixtures: dict[str, list[float]] = defaultdict(list)
_now = ""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the folder."""
    parser.addoption("--suite-cost", metavar="FOLDER", type=Path, help="write what each test cost into FOLDER")


def _counted(owner: Any, method: str, name: Callable[[tuple[Any, ...]], str]) -> None:
    """Replace `owner.method` by one that adds its calls and seconds to the test under way."""
    original = getattr(owner, method)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            label = name((*args[1:], *([kwargs["args"]] if "args" in kwargs else [])))
            _tests[_now][label] += 1
            _tests[_now][f"{label} seconds"] += time.perf_counter() - begun

    setattr(owner, method, wrapper)


def _kind_of_process(args: tuple[Any, ...]) -> str:
    command = args[0] if args else ""
    words = command if isinstance(command, str) else " ".join(str(word) for word in command)
    if "chromium" in words:
        return "browsers"
    if "streamlit" in words:
        return "servers"
    return "Python processes" if "python" in words else "other processes"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count, where the option is given."""
    if not config.getoption("--suite-cost"):
        return
    from streamlit.testing.v1 import AppTest

    _counted(subprocess.Popen, "__init__", _kind_of_process)
    _counted(AppTest, "run", lambda _: "page runs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note which test is under way."""
    global _now  # noqa: PLW0603 (the wrappers have no other way to ask)
    _now = item.nodeid
    begun = _processor(os.getpid())
    try:
        return (yield)
    finally:
        _tests[item.nodeid]["processor"] += max(_processor(os.getpid()) - begun, 0.0)


def _processor(process: int | str) -> float:
    """Return the seconds of processor of a process, of those that it has waited for, and of those that it started."""
    seconds = 0.0
    with suppress(OSError):  # (it has ended meanwhile)
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:15]
        seconds = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
        for thread in Path(f"/proc/{process}/task").iterdir():
            seconds += sum(map(_processor, (thread / "children").read_text().split()))
    return seconds


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the seconds of one phase of a test."""
    _tests[report.nodeid][report.when or ""] += report.duration


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
    """Note the seconds of one fixture, those of the fixtures it needs first included."""
    begun = time.perf_counter()
    try:
        return (yield)
    finally:
        _fixtures[f"{fixturedef.baseid}::{fixturedef.argname}"].append(time.perf_counter() - begun)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file of this process; the process that only hands out the tests writes none."""
    folder = session.config.getoption("--suite-cost")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    if folder and not (worker == "alone" and getattr(session.config.option, "numprocesses", None)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{worker}-{os.getpid()}.json").write_text(json.dumps({"tests": _tests, "fixtures": _fixtures}))


def _table(head: list[str], rows: list[list[Any]]) -> str:
    cells = [[f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]) + "\n"


def _report(folder: Path, most: int = 25) -> str:
    """Return the tables: rooms, files, tests and fixtures by their seconds."""
    tests: dict[str, Counter[str]] = defaultdict(Counter)
    fixtures: dict[str, list[float]] = defaultdict(list)
    for file in folder.glob("*.json"):
        read = json.loads(file.read_text())
        for name, counts in read["tests"].items():
            tests[name].update(counts)
        for name, seconds in read["fixtures"].items():
            fixtures[name] += seconds
    counted = ["Python processes", "other processes", "servers", "browsers", "page runs"]
    phases = ("setup", "call", "teardown")

    def summed(key: Callable[[str], str]) -> list[list[Any]]:
        groups: dict[str, Counter[str]] = defaultdict(Counter)
        for name, counts in tests.items():
            groups[key(name)].update(counts)
            groups[key(name)]["n"] += 1
        rows = [
            [name, c["n"], float(sum(c[p] for p in phases)), float(c["processor"]), *(int(c[k]) for k in counted)]
            for name, c in groups.items()
        ]
        return sorted(rows, key=lambda row: -row[2])

    def room(name: str) -> str:
        parts = Path(name.split("::")[0]).parts
        return "/".join(parts[: 3 if len(parts) > 3 and parts[1] == "rnc" else 2]) or "(outside a test)"

    head = ["tests", "seconds", "processor", *counted]
    slow = [[name, *(float(c[p]) for p in (*phases, "processor"))] for name, c in tests.items()]
    slow.sort(key=lambda row: -sum(row[1:4]))
    made = [[name, len(seconds), float(sum(seconds))] for name, seconds in fixtures.items()]
    made.sort(key=lambda row: -row[2])
    return "\n".join(
        [
            _table(["room", *head], summed(room)),
            _table(["file", *head], summed(lambda name: name.split("::")[0])[:most]),
            _table(["test", *phases, "processor"], slow[:most]),
            _table(["fixture (with what it needs)", "made", "seconds"], made[:most]),
        ]
    )


if __name__ == "__main__":
    print(_report(Path(sys.argv[1])))
