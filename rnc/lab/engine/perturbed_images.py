"""Images perturbed for display, each the same as in the run's measurement."""

import time

import numpy as np
import torch

from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.stepwise_attack import ReportProgress, StepwiseAttack, Stopped
from rnc.lab.perturbed_images import PerturbedImagesRequest, PerturbedImagesResult


def perturb_images(
    inputs: AttackInputs, request: PerturbedImagesRequest, progress: ReportProgress, stopped: Stopped
) -> PerturbedImagesResult:
    """Attack the images; a stopped attack returns its current images."""
    began = time.monotonic()
    attack = StepwiseAttack(inputs, request.condition, request.seed)
    total = attack.num_rounds
    done = 0
    perturbed = inputs.images
    progress(0, total, None)
    for done, current in enumerate(attack.rounds(), 1):
        perturbed = current.images
        progress(done, total, None)
        if stopped():
            break
    predicted = [inputs.features(images).predicted.cpu().numpy() for images in (inputs.images, perturbed)]
    return PerturbedImagesResult(
        condition=request.condition.slug,
        stopped=done < total,
        as_recorded=inputs.as_recorded,
        device=inputs.device_name,
        seconds=time.monotonic() - began,
        sample=inputs.indices.cpu().numpy(),
        label=inputs.labels.cpu().numpy(),
        decided=np.stack(predicted).astype(np.int32),
        clean_images=_as_float32(inputs.images),
        perturbed_images=_as_float32(perturbed),
    )


def _as_float32(images: torch.Tensor) -> np.ndarray:
    return images.float().cpu().numpy()
