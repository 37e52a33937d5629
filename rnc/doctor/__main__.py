"""`python -m rnc.doctor [STORE] [--data-root FOLDER] [--repair]`: one line per finding; the exit code is 1 if problems are left.

Without --repair nothing is changed. With it, everything that can be rebuilt is rebuilt, and the rest is reported.

Tested by tests/rnc/doctor/test_doctor.py.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from rnc.command_output import fail, print_escaped, run_command
from rnc.datasets import data_root
from rnc.doctor.finding import Finding, Level
from rnc.doctor.leftovers import examine_leftovers
from rnc.doctor.machine import examine_datasets, examine_machine
from rnc.doctor.store import examine_store
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError


def examine(store: Path, images: Path) -> Iterator[Finding]:
    """Yield all findings as soon as they are made."""
    yield from examine_machine()
    yield from examine_datasets(images)
    for part in (examine_store, examine_leftovers):
        try:
            yield from part(store)
        except Exception as error:  # an untrusted store may be wrong in any way; go on
            yield Finding(Level.TROUBLE, f"{store} could not be examined completely ({type(error).__name__}: {error})")


def main(arguments: list[str]) -> int:
    """Print the findings, and repair what can be repaired if this was requested."""
    parser = argparse.ArgumentParser("python -m rnc.doctor", description=__doc__)
    parser.add_argument("store", nargs="?", type=Path, help="the DuckDB file; RNC_STORE, or data/rnc.duckdb")
    parser.add_argument("--data-root", type=Path, help="the folder of the images; RNC_DATA, or data/images")
    parser.add_argument("--repair", action="store_true", help="rebuild what can be rebuilt")
    options = parser.parse_args(arguments)
    try:
        store, left = store_path(options.store), 0
    except StoreError as error:
        return fail(error, 2)
    if store.is_dir():
        return fail(_is_a_folder(store), 2)
    for finding in examine(store, data_root(options.data_root)):
        print_escaped(f"{finding.level:<8} {finding.text}")
        if options.repair and (finding.repair or finding.level is Level.TROUBLE):
            left += not _repaired(finding)
        elif finding.level is Level.TROUBLE:
            left += 1
            if finding.repair:
                print_escaped(f"{'':<8} --repair fixes this")
    return 1 if left else 0


def _is_a_folder(store: Path) -> str:
    if any(store.glob("[!.]*/run.parquet")):
        return f"{store} is a folder of published runs, not a store; there is nothing to repair, and RNC_GALLERY={store} shows it"
    return f"{store} is a folder, not a store; name a file, such as {store / 'rnc.duckdb'}"


def _repaired(finding: Finding) -> bool:
    """Repair a finding, print the result, and return whether it is now repaired."""
    if finding.repair is None:
        print_escaped(f"{'left':<8} this cannot be repaired automatically")
        return False
    try:
        done = finding.repair()
    except (StoreError, OSError) as error:
        print_escaped(f"{'left':<8} not repaired: {error}")
        return False
    print_escaped(f"{'repaired':<8} {done}")
    return True


if __name__ == "__main__":
    run_command(main)
