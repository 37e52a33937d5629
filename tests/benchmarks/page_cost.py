"""Cost of a visitor's acts to the server: `python -m tests.benchmarks.page_cost NAME=STORE … [--repeats 3] [--json FILE]`.

A fresh server and a headless Chromium for each store; without a store, the published runs of the gallery, which `NAME=` names
too. An act has seconds of work of the server's process (the attack lab's worker is another), seconds until the page is at
rest, and what the server sent by its websocket: bytes, and runs of the script. A rerun is a run of all of it; acts that had
more than one are named below the table. Runs of a fragment count apart; those that the browser asks for every few seconds
(polls) are left out, and their work is subtracted: `idle` shows it. Median and 95th percentile of the repeats, the largest
number of runs. Last, how much the memory of the server grows with each session that stays open.

`--runs 12` chooses the last twelve runs of each store in place of those that are selected at first.

`--trees NAME=FOLDER …` starts servers from other checkouts, in turn, so that before and after are of one run:
`--trees before=/tmp/old now=.`. The environment of this command serves all of them.

Not a test: nothing is asserted, and pytest does not collect it. Compare results of the same machine only.
"""

import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch

from docs.tools import ROOT, chromium
from rnc.store.reader import StoreReader
from tests.benchmarks.page_acts import QUIET_MS, Cost, all_acts
from tests.benchmarks.results import Report, arguments

_ACT, _STORE, _TREE = "act", "store", "tree"


@dataclass
class Case:
    """A store served by a checkout, and what was counted there."""

    store: str
    tree: str
    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    session_megabytes: list[float] = field(default_factory=list)


def named(texts: list[str]) -> dict[str, str]:
    """Return the values of `NAME=VALUE` by name; a path alone is named by its last part. Raises ValueError if two are alike."""
    pairs = [text.partition("=") if "=" in text else (Path(text).resolve().name, "=", text) for text in texts]
    found = {name: value for name, _sign, value in pairs}
    if len(found) < len(texts) or not all(found):
        raise ValueError(f"{' '.join(texts)}: expected NAME=VALUE, each with a name of its own")
    return found


def row(case: Case, act: str) -> dict[str, object]:
    """Return the columns of an act."""
    costs = case.costs[act]
    traffics = [cost.traffic for cost in costs]
    columns: dict[str, object] = {_ACT: act, _STORE: case.store, _TREE: case.tree}
    columns |= _middle("processor s", [cost.processor for cost in costs])
    columns |= _middle("wall s", [cost.seconds for cost in costs])
    columns["MB"] = float(np.median([traffic.sent for traffic in traffics])) / 1e6
    columns["MB of polls"] = float(np.median([traffic.sent_by_polls for traffic in traffics])) / 1e6
    for name in ("reruns", "fragments", "polls"):
        columns[name] = max(getattr(traffic, name) for traffic in traffics)
    return columns


def _middle(name: str, values: list[float]) -> dict[str, object]:
    """Return the median, and the 95th percentile of more than one value."""
    found: dict[str, object] = {name: float(np.median(values))}
    return found | ({f"p95 {name}": float(np.percentile(values, 95))} if len(values) > 1 else {})


def run_too_often(case: Case) -> str:
    """Return a line that names the acts of a store for which the script ran more than once."""
    most = {act: max(cost.traffic.reruns for cost in costs) for act, costs in case.costs.items()}
    found = ", ".join(f"{act} ({count})" for act, count in most.items() if count > 1)
    return f"More than one rerun on {case.store}, {case.tree}: {found or 'none'}"


def choosing(store: Path, runs: int) -> str:
    """Return the query of an address that chooses the last `runs` runs of a store; empty if `runs` is 0."""
    return "?" + urlencode({"runs": list(StoreReader(store).runs.all()["run_id"])[-runs:]}, doseq=True) if runs else ""


def measure(stores: dict[str, str], trees: dict[str, str], repeats: int, runs: int = 0) -> list[Case]:
    """Count everything, stores and checkouts in turn."""
    cases = [Case(store, tree) for store, tree in product(stores, trees)]
    with chromium() as browser:
        for repeat in range(repeats):
            for case in cases:
                sys.stderr.write(f"{case.store}, {case.tree}: {repeat + 1} of {repeats}\n")
                with tempfile.TemporaryDirectory() as folder:
                    store = Path(stores[case.store] or f"{folder}/rnc.duckdb").resolve()
                    query = choosing(store, runs)
                    costs, megabytes = all_acts(browser, store, Path(trees[case.tree]).resolve(), query)
                case.session_megabytes.append(megabytes)
                for act, cost in costs.items():
                    case.costs[act].append(cost)
    return cases


def told(cases: list[Case], settings: dict[str, object]) -> Report:
    """Print what was counted: acts by store, checkouts below each other, then memory, then the acts with too many reruns."""
    report = Report("what an act of a visitor costs the server", settings)
    for store in dict.fromkeys(case.store for case in cases):
        of_store = [case for case in cases if case.store == store]
        for act in dict.fromkeys(act for case in of_store for act in case.costs):
            for case in of_store:
                if act in case.costs:
                    report.add(**row(case, act))
    for case in cases:
        grown = float(np.median(case.session_megabytes))
        report.add(**{_STORE: case.store, _TREE: case.tree, "MB a further session": grown})
    sys.stdout.write("\n" + "\n".join(map(run_too_often, cases)) + "\n")
    return report


def main() -> None:
    """Measure, print and write."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("stores", nargs="*", metavar="NAME=STORE", help="default: gallery=, the published runs")
    parser.add_argument("--trees", nargs="+", metavar="NAME=FOLDER", help="checkouts to serve (default: this one)")
    parser.add_argument("--runs", type=int, default=0, help="runs that are chosen (default: those selected at first)")
    given = parser.parse_args()
    try:
        stores, trees = named(given.stores or ["gallery="]), named(given.trees or [f"now={ROOT}"])
    except ValueError as error:
        parser.error(str(error))
    if given.repeats < 1:
        parser.error("--repeats must be at least 1")
    missing = [store for store in stores.values() if store and not Path(store).exists()]
    missing += [tree for tree in trees.values() if not Path(tree, "app.py").exists()]
    if missing:
        parser.error(f"there is no store or checkout {', '.join(missing)}")
    torch.set_num_threads(given.threads)
    cases = measure(stores, trees, given.repeats, given.runs)
    told(cases, {"repeats": given.repeats, "runs chosen": given.runs or "usual", "quiet ms": QUIET_MS}).write(
        given.json
    )


if __name__ == "__main__":
    main()
