"""A copy of a store beside it, named by its schema version and the date: `rnc-v2-2026-11-25.duckdb`.

A separate process makes the copy. In this process it would release DuckDB's lock: on POSIX, all locks of a process on a
file end as soon as the process closes any descriptor of that file.

Tested by tests/rnc/store/test_upgrade.py.
"""

import filecmp
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rnc.atomic_files import atomic_file
from rnc.processes import start_helper
from rnc.store.clock import utc_now


def back_up(store: Path, version: int) -> Path:
    """Copy a store and return the path of the copy, which is then complete and on the disk.

    No process may write to the store during the copy. An existing copy with the same bytes (for example of a failed upgrade)
    is used again; no other file is ever replaced. Raises OSError if the copy cannot be written; no part of it is left.
    """
    command = [sys.executable, "-m", "rnc.store.backup", str(store), f"v{version}-{utc_now():%Y-%m-%d}"]
    process = start_helper(command, stderr=subprocess.PIPE)
    try:
        name, error = (output.decode().strip() for output in process.communicate())
    except BaseException:  # the copy must not go on once this process lets others write to the store
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise OSError(error.splitlines()[-1] if error else f"code {process.returncode}")
    return store.with_name(name)


def _copy(store: Path, suffix: str) -> Path:
    for number in itertools.count(1):
        copy = store.with_name(f"{store.stem}-{suffix}{f'-{number}' if number > 1 else ''}{store.suffix}")
        if not os.path.lexists(copy):
            break
        if not copy.is_symlink() and filecmp.cmp(store, copy, shallow=False):
            return copy
    with store.open("rb") as file, atomic_file(copy) as written:
        shutil.copyfileobj(file, written)
    return copy


if __name__ == "__main__":
    try:
        sys.stdout.write(_copy(Path(sys.argv[1]), sys.argv[2]).name)
    except OSError as failure:
        sys.exit(str(failure))
