"""Writing of files that are either complete or absent, even after a failure.

Tested by tests/rnc/datasets/test_cache.py.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rnc.safe_paths import open_new_replacing_old


@contextmanager
def atomic_file(path: Path, suffix: str = ".partial") -> Iterator[BinaryIO]:
    """Yield a new file that replaces `path` when the block ends and its bytes are on the disk.

    A process that reads in the meantime finds either the old file or the new one. If the block or the disk fails, the old
    file stays. Until the block ends, the new file has the name of `path` plus the suffix, in the same folder; several writers
    at once must not share this name. Missing folders are created. Raises OSError if the disk refuses.
    """
    partial = path.with_name(path.name + suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new_replacing_old(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
