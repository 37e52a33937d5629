"""UMAP in a process of its own: importing and compiling it take twenty seconds, which pass beside the training.

`python -m rnc.umap_process` makes itself ready, reads one request from its input, answers, and ends; it also ends where
the request never comes because its parent is gone.
"""

import io
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO

import numpy as np

from rnc.processes import start_helper
from rnc.projection import umap_plane


class UmapProcess:
    """Made ready from the moment it is made; projects once. Leaving the block ends it, whatever it is at."""

    def __init__(self) -> None:
        """Begin."""
        self._child = start_helper([sys.executable, "-m", "rnc.umap_process"])

    def __enter__(self) -> "UmapProcess":
        """Nothing more to do."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        self._child.kill()
        self._child.communicate()

    def plane(self, clean: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """`rnc.projection.umap_plane`, computed there. Raises RuntimeError where the process failed; it has said why."""
        answer, _ = self._child.communicate(_to_bytes([clean, *others]))
        if self._child.returncode:
            raise RuntimeError(f"UMAP failed: its process ended with code {self._child.returncode}")
        return _from_bytes(answer)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Compile on made-up features, then answer one request, if there is one."""
    rng = np.random.default_rng(0)
    made_up = rng.normal(size=(60, 8)).astype(np.float32)
    umap_plane(made_up, [made_up[:30]])
    if request := requests.read():
        clean, *others = _from_bytes(request)
        answers.write(_to_bytes(umap_plane(clean, others)))
        answers.flush()


def _to_bytes(arrays: Sequence[np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, *arrays)
    return content.getvalue()


def _from_bytes(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


if __name__ == "__main__":
    _answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # (what a library prints is no answer)
    serve(sys.stdin.buffer, _answers)
