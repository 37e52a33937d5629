"""Mutation testing of one room: `python -m tests.mutation rnc/metrics`, or `make mutation ROOM=rnc/metrics`.

mutmut changes the code in small ways, one at a time, and runs the room's tests: a change that no test sees survives. The work is
done on a copy of the tracked files in out/mutation/ROOM; a second run continues there. With `--sample N`, N changes drawn at
random are tried, and the score has a 95 % interval (Wilson). The table of scores in docs/testing.md is made by this command.
"""

import argparse
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from tests.architecture import ROOT

OUT = ROOT / "out" / "mutation"
ROOMS = {
    "rnc/metrics": ["tests/rnc/metrics"],
    "rnc/attacks": ["tests/rnc/attacks"],
    "rnc/claims": ["tests/rnc/test_claims.py"],
    "rnc/store": ["tests/rnc/store"],
    "rnc/lab": ["tests/rnc/lab"],
}
"""The tests that are run for each room: those of its own folder."""
LEFT_OUT = {
    "rnc/store": [
        "tests/rnc/store/test_concurrency.py",  # processes that read and write at once
        "tests/rnc/store/test_run_editor.py::test_a_training_goes_on_beside_all_of_it",
        "tests/rnc/store/test_published_row_checks.py::test_endless_texts_in_a_few_kilobytes",
        "tests/rnc/store/test_cached_queries.py::test_any_text_stays_a_text",
    ],
    "rnc/lab": [
        "tests/rnc/lab/test_job_queue.py",  # a worker with torch; test_watchdog.py has the queue with one of nothing
        "tests/rnc/lab/engine/test_perturbed_images.py::test_the_measurements_decisions_come_out_again",  # the demo
    ],
}
"""The tests of a room that are left out, since each of them would take many seconds for every mutant that survives."""
TINY_STORE = OUT / "tiny"
"""A store of one tiny run, trained by the code as it is: otherwise it would be trained anew for every mutant."""
_SEEN, _UNSEEN, _TIMEOUT = "killed", "survived", "timeout"
_STATUS = {0: _UNSEEN, 1: _SEEN, 3: _SEEN, 33: "no tests", 5: "no tests", 34: "skipped", 37: _SEEN} | dict.fromkeys(
    (24, -24, 36, 152, 255), _TIMEOUT
)
"""The meaning of a mutant's exit code in mutmut's files; any other is a crash, which a test would report."""
_CONFIG = """
[tool.mutmut]
source_paths = ["rnc"]
only_mutate = ["{room}/*.py"]
also_copy = [{also}]
pytest_add_cli_args_test_selection = [{tests}]
pytest_add_cli_args = ["-p", "no:cacheprovider", "--timeout", "300"{left_out}]
process_isolation = "forkserver"
do_not_mutate_patterns = ['^\\s*raise \\w+', '^\\s*log\\.\\w+\\(']
"""


def _copy(room: str) -> Path:
    """Copy the tracked files to the room's folder, with the settings of mutmut. Return the folder."""
    folder = OUT / room.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    also = [path.name for path in folder.iterdir() if path.name not in ("rnc", "tests", "mutants", "pyproject.toml")]
    left_out = "".join(f', "--deselect={test}"' for test in LEFT_OUT.get(room, []))
    config = _CONFIG.format(room=room, also=_quoted(also), tests=_quoted(ROOMS[room]), left_out=left_out)
    with (folder / "pyproject.toml").open("a") as file:
        file.write(config)
    return folder


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names))


def _tiny_store() -> Path:
    """Return the tiny store, which is trained the first time."""
    store = TINY_STORE / "rnc.duckdb"
    if not store.exists():
        command = [sys.executable, "-m", "train.run", "tiny", "--store", str(store)]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return store


def _mutmut(folder: Path, *arguments: str) -> None:
    environment = os.environ | {
        "RNC_TEST_PROFILE": "mutation",
        "OMP_NUM_THREADS": "1",
        "RNC_TEST_TINY": str(_tiny_store()),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # (every process would compile torch anew)
    command = [str(Path(sys.executable).parent / "mutmut"), "run", *arguments]
    with (folder / "mutmut.log").open("ab") as log:
        subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False)


def _exit_codes(folder: Path) -> dict[str, int | None]:
    """Return the exit code of every mutant by its name; None if it was not tried."""
    codes: dict[str, int | None] = {}
    for file in (folder / "mutants").rglob("*.meta"):
        codes |= json.loads(file.read_text())["exit_code_by_key"]
    return codes


def _moves_only_the_place(folder: Path, name: str) -> bool:
    """Return whether a mutant changes only the device of a computation, which no test without a GPU can see."""
    command = [str(Path(sys.executable).parent / "mutmut"), "show", name]
    shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.splitlines()
    lines = [line for line in shown if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")]
    return len(lines) == 2 and _without_device(lines[0][1:]) == _without_device(lines[1][1:])


def _without_device(line: str) -> str:
    """Return a line of code without the arguments that name a device."""
    line = re.sub(r"\.to\((None|[\w.]*device)(, )?", ".to(", line)
    return re.sub(r"\s", "", re.sub(r"(, )?device=[\w.]+", "", line)).replace(".to()", "").replace(",)", ")")


def wilson(seen: int, tried: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion."""
    z, p = 1.96, seen / tried
    centre, spread = p + z * z / (2 * tried), z * math.sqrt(p * (1 - p) / tried + z * z / (4 * tried * tried))
    return (centre - spread) / (1 + z * z / tried), (centre + spread) / (1 + z * z / tried)


def report(codes: dict[str, int | None], unseeable: Collection[str]) -> str:
    """Return the table of a room: mutants by module and status.

    A timeout counts as seen, a mutant without tests as unseen; those that no test can see (`unseeable`) are not counted.
    """
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for name, code in codes.items():
        if code is not None and name not in unseeable:
            for module in (name.split(".x_")[0].split(".xǁ")[0], "all"):
                modules[module][_STATUS.get(code, _SEEN)] += 1
    lines = ["| module | tried | seen | survived | no tests | score |", "| --- | --- | --- | --- | --- | --- |"]
    for module, counts in sorted(modules.items(), key=lambda item: (item[0] != "all", item[0])):
        tried = sum(counts.values()) - counts["skipped"]
        seen = counts[_SEEN] + counts[_TIMEOUT]
        low, high = wilson(seen, tried)
        score = f"{seen / tried:.1%}" + (f" ({low:.1%} to {high:.1%})" if module == "all" else "")
        lines.append(f"| {module} | {tried} | {seen} | {counts[_UNSEEN]} | {counts['no tests']} | {score} |")
    return "\n".join(lines)


def main() -> None:
    """Try the mutants of a room, print the table, and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("room", choices=ROOMS)
    parser.add_argument("--sample", type=int, help="number of mutants drawn at random; all by default")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw")
    parser.add_argument("--only", nargs="*", default=[], help="names of mutants, or patterns of them")
    parser.add_argument("--processes", type=int, default=2, help="how many mutants are tried at once")
    options = parser.parse_args()
    folder = _copy(options.room)
    names: list[str] = options.only
    if options.sample:
        if not _exit_codes(folder):
            _mutmut(folder, "nothing")  # (makes the mutants, and stops since none has this name)
        made = sorted(_exit_codes(folder))
        names = random.Random(options.seed).sample(made, min(options.sample, len(made)))
    _mutmut(folder, "--max-children", str(options.processes), *names)
    codes = _exit_codes(folder)
    if all(code is None for code in codes.values()):
        sys.exit(f"no mutant was tried: mutmut could not run the room's tests; see {folder / 'mutmut.log'}")
    unseen = sorted(
        name for name, code in codes.items() if code is not None and _STATUS.get(code) in (_UNSEEN, "no tests")
    )
    unseeable = {name for name in unseen if _moves_only_the_place(folder, name)}
    survivors = [name for name in unseen if name not in unseeable]
    print(report(codes, unseeable))
    (folder / "survivors.txt").write_text("\n".join(survivors) + "\n")
    print(f"\n{len(survivors)} survivors: {folder / 'survivors.txt'}; `mutmut show NAME` in {folder} prints one.")
    print(f"Not counted: {len(unseeable)} changes of a device alone, which only a GPU could show.")


if __name__ == "__main__":
    main()
