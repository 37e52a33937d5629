"""`python -m rnc.store.export RUN … --to FOLDER [--store STORE]`: publish finished runs, one subfolder per run.

A RUN is a run id or a pattern such as 'cifar10-*'. `RNC_GALLERY=FOLDER` shows the folder beside your own store. The exit
code is 2 if a run could not be published; the other runs are published anyway.

Tested by tests/rnc/store/test_publish_run.py.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from rnc.command_output import fail, print_escaped, run_command
from rnc.safe_paths import quoted
from rnc.store.addresses import store_path
from rnc.store.errors import StoreBusyError, StoreError
from rnc.store.publish_run import publish
from rnc.store.reader import StoreReader


def main(arguments: list[str]) -> int:
    """Print one line per published run."""
    parser = argparse.ArgumentParser(
        prog="python -m rnc.store.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--store")
    given = parser.parse_args(arguments)
    code = 0
    try:
        store = store_path(given.store)
        present = list(StoreReader(store).runs.all()["run_id"])
        for wanted in given.runs:
            chosen = [run_id for run_id in present if fnmatch(str(run_id), wanted)]
            if not chosen:
                raise StoreError(f"no run {wanted} in {store}; list them: python -m rnc.store {store}")
            for run_id in chosen:
                code = max(code, _published(store, run_id, given.to))
    except (StoreError, OSError) as error:
        return fail(error, 2)
    return code


def _published(store: Path, run_id: str, folder: Path) -> int:
    """Publish one run, print the result and return the exit code. Errors that would also stop the other runs are raised."""
    try:
        print_escaped(publish(store, run_id, folder))
    except StoreBusyError:
        raise
    except StoreError as error:
        return fail(f"run {quoted(str(run_id))} was not published: {error}", 2)
    return 0


if __name__ == "__main__":
    run_command(main)
