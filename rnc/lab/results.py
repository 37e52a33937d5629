"""The results of the lab: arrays, frames and plain numbers, converted to and from npz. Does not import torch.

Symbols: T frames of a trajectory, n watched images, m shown images, C classes, k <= C - 1 dimensions spanned by the centred
clean class means, (c, h, w) image.
"""

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rnc.lab import npz
from rnc.simplex import SimplexPlane
from rnc.vocabulary import MOST_RESULT_BYTES

CLEAN_STEP = -1
"""The `step` of the frame of clean images, which comes before the start (step 0)."""

WITHOUT_GRADIENT = "without_gradient"
"""Metric of a sweep: share of images for which every gradient was exactly 0 in float32, so the attack could not move them."""


@dataclass(frozen=True)
class AttackResult:
    """Clean and perturbed images of one network, and the trajectory between them."""

    condition: str
    """The slug of the attack."""
    steps_done: int
    """The number of steps taken in all restarts; the start of a restart does not count."""
    rounds: int
    """The number of rounds of the whole attack: the start and the steps of every restart."""
    stopped: bool
    as_recorded: bool
    """True if the images are those of the run; another source of a data set may order them differently."""
    device: str
    seconds: float
    before: dict[str, float]
    """Every metric of the clean images, by name, with their own labels and class means."""
    after: dict[str, float]
    """The same for the perturbed images, around their own class means; a targeted attack is measured with its targets as
    labels.
    """
    alignment: dict[str, float]
    """Perturbed against clean class means: `angle` (rad), `distance` and related metrics, by name."""
    leaps: pd.DataFrame
    """true_class, predicted_class, count, angle (rad)."""
    layers: pd.DataFrame
    """layer, depth, shown (clean, perturbed), metric (nc1, ncc_accuracy), value; empty if not requested."""
    frames: pd.DataFrame
    """A row per frame (T), over all images.

    Columns: restart, step (CLEAN_STEP for the clean images), nc1, accuracy, ncc_accuracy, angle (rad to the clean means), loss
    (nats), success (share of images for which the attack succeeds).

    The frames are the clean images, the first restart's rounds (all, or evenly thinned) and the end of each later restart. Each
    frame shows the images that the attack would return if it stopped there. The last frame is the result.
    """
    sample: np.ndarray
    """(n,) the watched images' sample indices in their data set, balanced over the classes."""
    label: np.ndarray
    """(n,) true classes."""
    goal: np.ndarray
    """(n,) the attack's target classes; for an untargeted attack, the true classes, from which it moves away."""
    plane: np.ndarray
    """(T, n, 2) in the plane of the two leading principal directions of the clean features; (T, n, 0) if it is not defined."""
    means_span: np.ndarray
    """(C, k) the clean class means minus their mean, in an orthonormal basis of their span; NaN for absent classes."""
    span: np.ndarray
    """(T, n, k) the features minus that mean, in the same basis; sufficient to project on any simplex plane."""
    loss: np.ndarray
    """(T, n) cross entropy with the true class, in nats."""
    margin: np.ndarray
    """(T, n) logit of the true class minus the largest other logit; the prediction is wrong below 0."""
    predicted: np.ndarray
    """(T, n) predicted classes."""
    confidence: np.ndarray
    """(T, n) softmax probabilities of the predicted classes."""
    clean_images: np.ndarray
    """(m, c, h, w) float32 in [0, 1], the first m of the watched images."""
    perturbed_images: np.ndarray
    """(m, c, h, w) float32 in [0, 1], the same images at the end of the attack, bit for bit."""
    without_gradient: int = 0
    """Number of all images for which every gradient was exactly 0 in float32, so the attack could not move them."""
    images: int = 0
    """Number of all images, possibly fewer than requested; 0 in results that were stored before this field existed."""

    def __post_init__(self) -> None:
        """Raise ValueError if the arrays differ in the number of frames or images."""
        shape = (len(self.frames), len(self.sample))
        per_frame = (self.loss, self.margin, self.predicted, self.confidence)
        wider = (self.plane, self.span)  # of any width, which is 0 in the means' span for constant features
        shapes = [part.shape for part in per_frame] + [part.shape[:-1] for part in wider]
        if any(one != shape for one in shapes) or self.clean_images.shape != self.perturbed_images.shape:
            raise ValueError("the arrays of an attack's result differ in the number of frames or images")

    @cached_property
    def leapt_at(self) -> np.ndarray:
        """(n,) the first frame from which on the prediction always differs from the clean one; -1 if it is equal at the end."""
        other = self.predicted != self.predicted[:1]
        for_good = np.logical_and.accumulate(other[::-1], axis=0)[::-1]
        return np.where(for_good.any(axis=0), for_good.argmax(axis=0), -1)

    def simplex(self, classes: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Project the watched images (T, n, 2) and three clean class means (3, 2) on the plane through these means.

        Raises ValueError if the means lie on a line, or if a class is absent.
        """
        vertices = self.means_span[list(classes)].astype(np.float64)
        if np.isnan(vertices).any():
            raise ValueError("a class without images spans no plane; choose others")
        plane = SimplexPlane(vertices)
        frames, images, size = self.span.shape
        flat = plane.project(self.span.reshape(frames * images, size).astype(np.float64))
        return flat.reshape(frames, images, 2), plane.project(vertices)


@dataclass(frozen=True)
class SweepResult:
    """Metrics at each strength of an attack, for one or two networks, on the same images and with the same seed."""

    over: str
    """The varied parameter: epsilon, steps or step_size."""
    conditions: list[str]
    """The slug of each strength's attack."""
    stopped: bool
    """True if the sweep was stopped; the frame then holds the strengths that were completed."""
    as_recorded: bool
    device: str
    seconds: float
    points: pd.DataFrame
    """source (0 or 1, in the order of the request), strength, layer, metric, value.

    `layer` is features and, if layers were requested, each stage's name in network order (only nc1 and ncc_accuracy). Metrics
    are around the perturbed images' own class means, for targeted attacks with the targets as labels; angle and related metrics
    are relative to the clean means. `success` is the share of images for which the attack succeeds. WITHOUT_GRADIENT is
    explained above.
    """
    images: int = 0
    """Number of images, possibly fewer than requested; 0 in results that were stored before this field existed."""


@dataclass(frozen=True)
class MaskingCheck:
    """A check for one sign of gradient masking."""

    name: str
    title: str
    warns: bool
    finding: str
    """The sentence that states the finding, with its numbers."""
    numbers: dict[str, float]
    source: str
    """Paper and section."""


@dataclass(frozen=True)
class MaskingResult:
    """Evidence on why an attack fails: because the network is robust, or because its gradients are masked."""

    condition: str
    images: int
    stopped: bool
    """True if the checks were stopped; `checks` then holds those that were completed."""
    as_recorded: bool
    device: str
    seconds: float
    checks: list[MaskingCheck]

    def __post_init__(self) -> None:
        """Convert checks that were read from JSON to `MaskingCheck`."""
        made = [MaskingCheck(**check) if isinstance(check, dict) else check for check in self.checks]
        object.__setattr__(self, "checks", made)

    @property
    def warnings(self) -> list[MaskingCheck]:
        """The checks that found their sign of gradient masking."""
        return [check for check in self.checks if check.warns]


@dataclass(frozen=True)
class PicturesResult:
    """Some images, clean and perturbed, and the network's predictions."""

    condition: str
    stopped: bool
    as_recorded: bool
    device: str
    seconds: float
    sample: np.ndarray
    """(n,) the sample indices in the data set, ascending."""
    label: np.ndarray
    """(n,) true classes."""
    decided: np.ndarray
    """(2, n) the predicted classes, clean and perturbed."""
    clean_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""
    perturbed_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""


Result = AttackResult | SweepResult | MaskingResult | PicturesResult
_KINDS: dict[str, type[Result]] = {of.__name__: of for of in (AttackResult, SweepResult, MaskingResult, PicturesResult)}


def to_bytes(result: Result, *, compressed: bool = False) -> bytes:
    """Return the result as npz bytes; compress them for storage."""
    return npz.to_bytes(result, compressed=compressed)


def from_bytes(content: bytes) -> Result:
    """Read a result. Raises `npz.ContentError` if the content is invalid or larger than MOST_RESULT_BYTES."""
    return npz.from_bytes(content, _KINDS, MOST_RESULT_BYTES)


def size(result: Result) -> int:
    """Return the bytes of memory that the result's arrays and frames take."""
    values = [getattr(result, field.name) for field in fields(result)]
    held = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
    return held + sum(int(v.memory_usage(deep=True).sum()) for v in values if isinstance(v, pd.DataFrame))


def summary(result: Result) -> dict[str, Any]:
    """Return the values that a list of stored results shows, as strict JSON: numbers that are not finite become None."""
    told: dict[str, Any] = {"kind": type(result).__name__, "seconds": result.seconds, "stopped": result.stopped}
    if isinstance(result, AttackResult):
        told |= {"condition": result.condition, "before": result.before, "after": result.after, **result.alignment}
    elif isinstance(result, SweepResult):
        told |= {"over": result.over, "points": len(result.conditions)}
    elif isinstance(result, PicturesResult):
        told |= {"condition": result.condition, "images": len(result.sample)}
    else:
        told |= {"condition": result.condition, "warnings": [check.name for check in result.warnings]}
    return _strict(told)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strict(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_strict(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
