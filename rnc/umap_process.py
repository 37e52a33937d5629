"""UMAP in its own process: importing and compiling it takes twenty seconds, which overlap with the training.

`python -m rnc.umap_process` imports and compiles, reads one request from its input, answers, and ends. It also ends if
the parent process ends before it sends a request.
"""

import io
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO

import numpy as np

from rnc.pca_and_umap_planes import umap_plane
from rnc.processes import start_helper


class UmapProcess:
    """Process that prepares UMAP as soon as it is created and projects once. Leaving the block ends it at any point."""

    def __init__(self) -> None:
        """Start the process."""
        self._child = start_helper([sys.executable, "-m", "rnc.umap_process"])

    def __enter__(self) -> "UmapProcess":
        """Return the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        self._child.kill()
        self._child.communicate()

    def plane(self, clean: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return `rnc.pca_and_umap_planes.umap_plane`, computed in the process.

        Raises RuntimeError if the process failed; it has printed the reason.
        """
        answer, _ = self._child.communicate(_to_bytes([clean, *others]))
        if self._child.returncode:
            raise RuntimeError(f"UMAP failed: its process ended with code {self._child.returncode}")
        return _from_bytes(answer)


def answer_one_request(requests: BinaryIO, responses: BinaryIO) -> None:
    """Compile on artificial features, then answer one request, if there is one."""
    rng = np.random.default_rng(0)
    made_up = rng.normal(size=(60, 8)).astype(np.float32)
    umap_plane(made_up, [made_up[:30]])
    if request := requests.read():
        clean, *others = _from_bytes(request)
        responses.write(_to_bytes(umap_plane(clean, others)))
        responses.flush()


def _to_bytes(arrays: Sequence[np.ndarray]) -> bytes:
    content = io.BytesIO()
    np.savez(content, *arrays)
    return content.getvalue()


def _from_bytes(content: bytes) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[name] for name in arrays.files]


if __name__ == "__main__":
    _responses = sys.stdout.buffer
    sys.stdout = sys.stderr  # text that a library prints must not mix with the answer
    answer_one_request(sys.stdin.buffer, _responses)
