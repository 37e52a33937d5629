"""Write a file so that it is whole or absent, whatever happens meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from rnc.safe_paths import open_new_file


@contextmanager
def whole_file(path: Path, suffix: str = ".partial") -> Iterator[BinaryIO]:
    """Yield a new file, which takes the place of `path` when the block is over and its bytes are on the disk.

    Whoever reads meanwhile finds the old file or the new one; where the block or the disk fails, the old one stays. Until
    then the file lies beside it under `path`'s name and the suffix, which several writers at once must not share. Folders
    are made. Raises OSError where the disk refuses.
    """
    partial = path.with_name(path.name + suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new_file(partial) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
