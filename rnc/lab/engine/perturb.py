"""Images perturbed for display, each the same as in the run's measurement."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rnc.attacks import num_iterations
from rnc.lab.engine.loading import Subject
from rnc.lab.engine.rounds import Stopped, attack
from rnc.lab.requests import PicturesRequest
from rnc.lab.results import PicturesResult

Progress = Callable[[int, int, dict[str, Any] | None], None]


def perturb(subject: Subject, request: PicturesRequest, progress: Progress, stopped: Stopped) -> PicturesResult:
    """Attack the subject's images; a stopped attack returns its current images.

    `progress` receives the number of completed rounds and their total.
    """
    began, total, done, kept = time.monotonic(), num_iterations(request.condition), 0, subject.images
    progress(0, total, None)
    for found in attack(subject, request.condition, request.seed):
        done, kept = done + 1, found.kept
        progress(done, total, None)
        if stopped():
            break
    decided = [subject.features(images).predicted.cpu().numpy() for images in (subject.images, kept)]
    return PicturesResult(
        condition=request.condition.slug,
        stopped=done < total,
        as_recorded=subject.as_recorded,
        device=subject.device_name,
        seconds=time.monotonic() - began,
        sample=subject.indices.cpu().numpy(),
        label=subject.labels.cpu().numpy(),
        decided=np.stack(decided).astype(np.int32),
        clean_images=_single(subject.images),
        perturbed_images=_single(kept),
    )


def _single(images: torch.Tensor) -> np.ndarray:
    return images.float().cpu().numpy()
