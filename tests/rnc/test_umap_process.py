"""UMAP beside the training: its answer is repeatable, and nothing of it outlives the one who asked."""

import io
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from rnc import umap_process
from rnc.umap_process import UmapProcess, answer_one_request


def features(seed: int) -> np.ndarray:
    """Three classes of 20 samples, far apart, in 64 dimensions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(scale=20, size=(3, 64))
    return (np.repeat(centres, 20, axis=0) + rng.normal(size=(60, 64))).astype(np.float32)


@pytest.mark.slow
def test_two_processes_give_one_plane_in_which_classes_stay_together() -> None:
    clean, others = features(1), [features(2), features(3)[:10]]
    with UmapProcess() as first, UmapProcess() as second:
        answered, again = (process.plane(clean, others) for process in (first, second))
    assert [plane.shape for plane in answered] == [(60, 2), (60, 2), (10, 2)]
    assert all(np.array_equal(one, other) for one, other in zip(answered, again, strict=True))
    centres = answered[0].reshape(3, 20, 2).mean(axis=1)
    moved = answered[1].reshape(3, 20, 2)
    nearest = np.linalg.norm(moved[:, :, None] - centres, axis=-1).argmin(axis=-1)
    assert (nearest == np.arange(3)[:, None]).all(), "samples of a class lie by that class"
    assert list(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbc")), "compiled code is kept: tests/kept_compilations"


def test_leaving_the_block_ends_it_at_once() -> None:
    with UmapProcess() as process:
        child = process._child
        assert child.poll() is None
    assert child.returncode is not None


def test_it_ends_when_no_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[int] = []
    monkeypatch.setattr(umap_process, "umap_plane", lambda clean, others: warmed.append(len(clean)) or [clean])
    answers = io.BytesIO()
    answer_one_request(io.BytesIO(b""), answers)
    assert warmed and answers.getvalue() == b""


def test_a_process_that_dies_is_an_error() -> None:
    with UmapProcess() as process:
        process._child.kill()
        while process._child.poll() is None:
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="UMAP failed"):
            process.plane(features(1), [])


def test_a_request_that_fails_there_is_an_error_here(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **rest: begun([command[0], "-c", "raise SystemExit(3)"], **rest)
    )
    with UmapProcess() as process, pytest.raises(RuntimeError, match="code 3"):
        process.plane(features(1), [])
