"""The quick tests of one room, or of what changed: `python -m tests.quick rnc/store`, or `make quick [ROOM=rnc/store]`.

A room's tests are those of its folder and those that its modules name. Without a room, the tests of every file that differs from
the last commit are run. Slow tests and those that need the demo or a browser are left out, and property tests try a quarter
of their examples; `make test` runs everything.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.architecture import MODULES, ROOT, covering_test

ALWAYS = Path("tests/test_architecture.py")
"""The rules that any change can break."""
LONG = (Path("tests/faults"), Path("tests/security"))
"""Folders of long tests: of a whole room, those that its modules name there are left out; of a changed file, they are run."""


def tests_of_file(path: Path) -> set[Path]:
    """Return the tests of one file of the tree: itself, those of its name or those it names, or its folder's for a helper."""
    if path.suffix != ".py":
        return set()
    if path.parts[0] == "tests":
        return {path if path.name.startswith("test_") else path.parent} if path.parent != Path("tests") else set()
    found = {name for name, module in MODULES.items() if module == ROOT / path}
    return {test for name in found if (test := covering_test(name)) is not None}


def tests_of_room(room: Path) -> set[Path]:
    """Return the tests of a folder, without `LONG`, or of a file. Raises ValueError if the product has none of this name."""
    files = [room] if (ROOT / room).is_file() else [path.relative_to(ROOT) for path in (ROOT / room).rglob("*.py")]
    if not files:
        raise ValueError(f"there is no room {room}: name a folder or a file with Python code, such as rnc/store")
    folder = Path("tests") / room
    named = {test for path in files for test in tests_of_file(path)}
    if (ROOT / room).is_dir():
        named = {test for test in named if not any(long in test.parents for long in LONG)}
    return {folder} & _existing([folder]) | named


def changed_files() -> list[Path]:
    """Return the files that differ from the last commit, new ones included."""
    command = ["git", "status", "--porcelain", "--untracked-files=all", "--no-renames", "-z"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [Path(line[3:]) for line in lines if line]


def _existing(paths: Iterable[Path]) -> set[Path]:
    return {path for path in paths if (ROOT / path).exists()}


def without_repeats(tests: set[Path]) -> list[str]:
    """Return the tests in order, without those that lie in a folder among them."""
    return sorted(str(test) for test in tests if not any(folder in tests for folder in test.parents))


def main(arguments: list[str]) -> int:
    """Run the quick tests; return pytest's exit status, 2 if the room does not exist."""
    try:
        found = {test for room in arguments for test in tests_of_room(Path(room))}
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not arguments:
        found = {test for path in changed_files() for test in tests_of_file(path)}
    chosen = without_repeats(_existing(found | {ALWAYS}))
    print("quick tests of:", *chosen)
    options = ["-q", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder"]
    environment = os.environ | {"RNC_TEST_QUICK": "1", "RNC_TEST_PROFILE": "quick"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *chosen], cwd=ROOT, env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
