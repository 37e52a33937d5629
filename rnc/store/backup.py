"""A copy of a store beside it, named by its schema's version and the day: `rnc-v2-2026-11-25.duckdb`.

The copying is done by a process of its own. Here it would undo DuckDB's lock: on POSIX all locks that a process has on a
file end as soon as it closes any descriptor of that file.
"""

import filecmp
import itertools
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path


def back_up(store: Path, version: int) -> Path:
    """Copy a store that nobody writes meanwhile, whole and on disk when this returns; the copy's path.

    A copy of the same bytes that is there already (of an upgrade that failed, say) serves again, and no other file is
    ever replaced. Raises OSError where it cannot be written; nothing is left of it then.
    """
    command = [sys.executable, __file__, str(store), f"v{version}-{datetime.now(UTC):%Y-%m-%d}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"code {done.returncode}")
    return store.with_name(done.stdout.strip())


def _copy(store: Path, suffix: str) -> Path:
    for number in itertools.count(1):
        copy = store.with_name(f"{store.stem}-{suffix}{f'-{number}' if number > 1 else ''}{store.suffix}")
        if not os.path.lexists(copy):
            break
        if not copy.is_symlink() and filecmp.cmp(store, copy, shallow=False):
            return copy
    partial = copy.with_name(copy.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        with (
            store.open("rb") as file,
            partial.open("xb") as written,
        ):  # (O_EXCL: a link in its place is not written through)
            shutil.copyfileobj(file, written)
            written.flush()
            os.fsync(written.fileno())
        partial.replace(copy)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return copy


if __name__ == "__main__":
    try:
        sys.stdout.write(_copy(Path(sys.argv[1]), sys.argv[2]).name)
    except OSError as failure:
        sys.exit(str(failure))
