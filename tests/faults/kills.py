"""`python -m tests.faults.kills [--kills 100] [--objectives st at] [--seed 1] [--log FILE]`: SIGKILLs at random moments.

Every run is killed and begun again until it ends; then it is compared with one that was never disturbed, and the next
begins. Whatever was reported done must be in the store after each kill.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from multiprocessing.context import ForkServerContext
from pathlib import Path

from rnc.store.errors import StoreError, StoreMissingError
from tests.faults.killed import WATCHED, Phase, kill_once, run
from tests.train.fork_server import fork_server
from tests.train.small import ask

TABLES = {
    "metric": "*", "class_metric": "*", "class_mean": "*", "classifier": "*", "feature": "*", "attack_path": "*",
    "projection": "*", "leap": "*", "layer": "*", "run_condition": "*", "checkpoint": "*",
    "epoch": "epoch, learning_rate, train_loss",
}  # fmt: skip
_EPOCHS = """
    SELECT epoch, md5(string_agg(CAST(value AS VARCHAR), ' '
        ORDER BY split, condition, means_split, means_condition, layer, metric))
    FROM metric GROUP BY epoch
"""


def undisturbed(server: ForkServerContext, objective: str, folder: Path) -> Path:
    """The store of a run that nobody touched."""
    store = folder / "rnc.duckdb"
    process = server.Process(target=run, args=(store, objective), daemon=True)
    process.start()
    process.join()
    assert process.exitcode == 0
    return store


def differences(store: Path, unbroken: Path) -> list[str]:
    """The tables and files of two stores that are not the same, bit for bit."""
    found = []
    for table, columns in TABLES.items():
        order = f"SELECT {columns} FROM {table} ORDER BY ALL"
        if ask(store, order) != ask(unbroken, order):
            found.append(table)
    folders = [path.parent / "checkpoints" for path in (store, unbroken)]
    files = [{p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders]
    return found + (["checkpoints"] if files[0] != files[1] else [])


class Tally:
    """Counts of the effects of the kills."""

    def __init__(self) -> None:
        self.hit: Counter[Phase] = Counter()
        self.lost = self.unreadable = self.different = self.finished = self.again = 0

    def clean(self) -> bool:
        """Return whether no epoch was lost, no store was unreadable and no finished run was different."""
        return not (self.lost or self.unreadable or self.different)

    def __str__(self) -> str:
        """One line."""
        phases = ", ".join(f"{phase.name.lower()} {self.hit[phase]}" for phase in Phase)
        return (
            f"{sum(self.hit.values())} kills ({phases}); {self.lost} epochs lost that were reported done, "
            f"{self.unreadable} unreadable stores, {self.finished} runs came to their end, {self.different} of them "
            f"different; {self.again} reported epochs were trained again"
        )


def campaign(
    server: ForkServerContext, objective: str, kills: int, seed: int, folder: Path, log: Path | None = None
) -> Tally:
    """Kill runs of an objective so often, aiming at each phase in turn; the last run is brought to its end."""
    chance, tally = random.Random(f"{objective}{seed}"), Tally()
    (folder / "unbroken").mkdir()
    unbroken = undisturbed(server, objective, folder / "unbroken")
    expected = dict(ask(unbroken, _EPOCHS))
    count = 0
    while sum(tally.hit.values()) < kills:
        store, seen = folder / f"run-{tally.finished}" / "rnc.duckdb", -1
        store.parent.mkdir()
        while sum(tally.hit.values()) < kills:
            death = kill_once(server, store, objective, WATCHED[count % len(WATCHED)], chance)
            count += 1
            landed = _landed(store, expected, tally)
            tally.lost += sum(epoch <= death.reported and epoch not in landed for epoch in expected)
            tally.again += max(seen - max(landed, default=-1), 0)
            seen = max(landed, default=-1)
            if not death.killed:
                break
            tally.hit[death.phase] += 1
            if log:
                with log.open("a") as file:
                    file.write(
                        f"{objective} run {tally.finished}: killed in {death.phase.name.lower()}, landed {seen}\n"
                    )
        else:
            process = server.Process(target=run, args=(store, objective), daemon=True)
            process.start()
            process.join()
        tally.finished += 1
        tally.different += bool(differences(store, unbroken))
        shutil.rmtree(store.parent)
    return tally


def _landed(store: Path, expected: dict[int, str], tally: Tally) -> set[int]:
    """The epochs in a store that are whole and right."""
    try:
        rows = ask(store, _EPOCHS)
    except StoreMissingError:
        return set()
    except StoreError:
        tally.unreadable += 1
        return set()
    return {epoch for epoch, values in rows if values == expected[epoch]}


def main(arguments: list[str]) -> int:
    """Run the campaigns; 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--objectives", nargs="+", default=["st", "at"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # (trainings end with it)
    server, clean = fork_server(), True
    if asked.log:
        asked.log.parent.mkdir(parents=True, exist_ok=True)
    for objective in asked.objectives:
        with tempfile.TemporaryDirectory() as folder:
            tally = campaign(
                server, objective, asked.kills // len(asked.objectives), asked.seed, Path(folder), asked.log
            )
        sys.stdout.write(f"{objective}: {tally}\n")
        sys.stdout.flush()
        clean &= tally.clean()
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
