"""`python -m rnc.store.export RUN … --to FOLDER [--store STORE]`: publish finished runs, one subfolder a run.

A RUN is a run id or a pattern such as 'cifar10-*'. `RNC_GALLERY=FOLDER` shows the folder beside one's own store. The exit
code is 2 on errors.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from rnc.command_line import fail, run_command, say
from rnc.store.bundle import publish
from rnc.store.connection import StoreError, store_path
from rnc.store.reader import StoreReader


def main(arguments: list[str]) -> int:
    """Print one line a published run."""
    parser = argparse.ArgumentParser(
        prog="python -m rnc.store.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--store", type=Path)
    given = parser.parse_args(arguments)
    store = store_path(given.store)
    try:
        present = list(StoreReader(store).runs()["run_id"])
        for wanted in given.runs:
            chosen = [run_id for run_id in present if fnmatch(run_id, wanted)]
            if not chosen:
                raise StoreError(f"no run {wanted} in {store}; list them: python -m rnc.store {store}")
            for run_id in chosen:
                say(publish(store, run_id, given.to))
    except StoreError as error:
        return fail(error, 2)
    return 0


if __name__ == "__main__":
    run_command(main)
