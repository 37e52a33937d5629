"""`python -m rnc.doctor [STORE] [--data-root FOLDER] [--repair]`: one line a finding; the exit code is 1 where trouble is left.

Without --repair nothing is changed. With it, what can be rebuilt is, and what cannot is said.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rnc.command_line import run_command, say
from rnc.datasets import data_root
from rnc.doctor.finding import Finding, Level
from rnc.doctor.leftovers import examine_leftovers
from rnc.doctor.machine import examine_datasets, examine_machine
from rnc.doctor.store import examine_store
from rnc.store.connection import StoreError, store_path


def examine(store: Path, images: Path) -> Iterator[Finding]:
    """All findings, as they are made."""
    yield from examine_machine()
    yield from examine_datasets(images)
    yield from examine_store(store)
    yield from examine_leftovers(store)


def main(arguments: list[str]) -> int:
    """Print the findings, and repair what can be where that was asked for."""
    parser = argparse.ArgumentParser("python -m rnc.doctor", description=__doc__)
    parser.add_argument("store", nargs="?", type=Path, help="the DuckDB file; RNC_STORE, or data/rnc.duckdb")
    parser.add_argument("--data-root", type=Path, help="the folder of the images; RNC_DATA, or data/images")
    parser.add_argument("--repair", action="store_true", help="rebuild what can be rebuilt")
    asked = parser.parse_args(arguments)
    left = 0
    for finding in examine(store_path(asked.store), data_root(asked.data_root)):
        say(f"{finding.level:<8} {finding.text}")
        if asked.repair and (finding.repair or finding.level is Level.TROUBLE):
            left += not _repaired(finding)
        elif finding.level is Level.TROUBLE:
            left += 1
            if finding.repair:
                say(f"{'':<8} --repair mends it")
    return 1 if left else 0


def _repaired(finding: Finding) -> bool:
    """Whether it is mended now."""
    if finding.repair is None:
        say(f"{'left':<8} this cannot be rebuilt from what is here")
        return False
    try:
        done = finding.repair()
    except (StoreError, OSError) as error:
        say(f"{'left':<8} not repaired: {error}")
        return False
    say(f"{'repaired':<8} {done}")
    return True


if __name__ == "__main__":
    run_command(main)
