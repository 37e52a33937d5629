"""What the lab answers: arrays, frames and plain numbers, as npz to and fro. Free of torch.

Letters: T frames of a trajectory, n watched images, m shown images, C classes, k <= C - 1 dimensions that the centred
clean class means span, (c, h, w) image.
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
"""What `step` says of the frame of the clean images, which comes before the start (0)."""

WITHOUT_GRADIENT = "without_gradient"
"""Of a sweep: the share of images at which every gradient was exactly 0 in float32, so that the attack could not move them."""


@dataclass(frozen=True)
class AttackResult:
    """Clean against perturbed images of one network, and the way from the ones to the others."""

    condition: str
    """The slug of the attack."""
    steps_done: int
    """The steps taken in all restarts; a restart's start is none."""
    rounds: int
    """How many rounds the whole attack has: every restart's start and steps."""
    stopped: bool
    as_recorded: bool
    """Whether the images are those of the run; another source of a data set keeps them in another order."""
    device: str
    seconds: float
    before: dict[str, float]
    """Every metric of the clean images, by name; their own labels and means."""
    after: dict[str, float]
    """The same of the perturbed ones, around their own means; targeted samples by their targets."""
    alignment: dict[str, float]
    """Of the perturbed against the clean class means: `angle` (rad), `distance` and their kin, by name."""
    leaps: pd.DataFrame
    """true_class, predicted_class, count, angle (rad)."""
    layers: pd.DataFrame
    """layer, depth, shown (clean, perturbed), metric (nc1, ncc_accuracy), value; empty where it was not asked for."""
    frames: pd.DataFrame
    """One row a frame (T), over all images: restart, step (CLEAN_STEP for the clean images), nc1, accuracy, ncc_accuracy,
    angle (rad to the clean means), loss (nats), success (share where the attacker has what it wants).

    The frames are the clean images, the first restart's rounds (every one, or evenly thinned) and the end of each later
    restart; of each the images that the attacker would hand over if stopped there. The last is the result.
    """
    sample: np.ndarray
    """(n,) the watched images' indices in their data set, balanced over the classes."""
    label: np.ndarray
    """(n,) true classes."""
    goal: np.ndarray
    """(n,) the classes that the attack drives at; the true ones, which it drives away from, where it is untargeted."""
    plane: np.ndarray
    """(T, n, 2) in the plane of the two leading principal directions of all clean features."""
    means_span: np.ndarray
    """(C, k) the clean class means minus their mean, in an orthonormal basis of their span; NaN for absent classes."""
    span: np.ndarray
    """(T, n, k) the features minus that mean, in the same basis: all that a simplex plane needs."""
    loss: np.ndarray
    """(T, n) cross entropy with the true class, nats."""
    margin: np.ndarray
    """(T, n) logit of the true class minus the largest other: below 0 the decision is wrong."""
    predicted: np.ndarray
    """(T, n) the classes decided for."""
    confidence: np.ndarray
    """(T, n) their softmax probabilities."""
    clean_images: np.ndarray
    """(m, c, h, w) float32 in [0, 1], the first m of the watched images."""
    perturbed_images: np.ndarray
    """(m, c, h, w) float32 in [0, 1], the same at the end, to the last bit."""
    without_gradient: int = 0
    """At how many of all images every gradient was exactly 0 in float32, so that the attack could not move them."""
    images: int = 0
    """How many there are in all, maybe fewer than were asked for; 0 in results from before this was noted."""

    def __post_init__(self) -> None:
        """Raise ValueError where the arrays do not belong together."""
        shape = (len(self.frames), len(self.sample))
        per_frame = (self.loss, self.margin, self.predicted, self.confidence, self.plane[..., 0], self.span[..., 0])
        if any(part.shape != shape for part in per_frame) or self.clean_images.shape != self.perturbed_images.shape:
            raise ValueError("the arrays of an attack's result differ in the number of frames or images")

    @cached_property
    def leapt_at(self) -> np.ndarray:
        """(n,) the first frame from which on the decision is never again that on the clean image; -1 where it is at the end."""
        other = self.predicted != self.predicted[:1]
        for_good = np.logical_and.accumulate(other[::-1], axis=0)[::-1]
        return np.where(for_good.any(axis=0), for_good.argmax(axis=0), -1)

    def simplex(self, classes: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The watched images (T, n, 2) in the plane through three clean class means, and these (3, 2) in it.

        Raises ValueError where the means lie on a line, or a class is absent.
        """
        vertices = self.means_span[list(classes)].astype(np.float64)
        if np.isnan(vertices).any():
            raise ValueError("a class without images spans no plane; choose others")
        plane = SimplexPlane(vertices)
        flat = plane.project(self.span.reshape(-1, self.span.shape[-1]).astype(np.float64))
        return flat.reshape(*self.span.shape[:2], 2), plane.project(vertices)


@dataclass(frozen=True)
class SweepResult:
    """Metrics against the strength of an attack, of one or two networks, on the same images and seed."""

    over: str
    """epsilon, steps or step_size."""
    conditions: list[str]
    """The slug of each strength's attack."""
    stopped: bool
    """Then the frame holds the strengths that were finished."""
    as_recorded: bool
    device: str
    seconds: float
    points: pd.DataFrame
    """source (0 or 1, in the order of the request), strength, layer, metric, value.

    `layer` is features, and where layers were asked for also each stage's name in the order of the network (nc1 and
    ncc_accuracy alone). Metrics are around the perturbed images' own means, targeted ones by their targets; angle and
    its kin are against the clean means. `success` is the share of images where the attacker has what it wants.
    WITHOUT_GRADIENT is said above.
    """
    images: int = 0
    """How many there are, maybe fewer than were asked for; 0 in results from before this was noted."""


@dataclass(frozen=True)
class MaskingCheck:
    """One sign of gradient masking, looked for."""

    name: str
    title: str
    warns: bool
    finding: str
    """The sentence that says what was found, with its numbers."""
    numbers: dict[str, float]
    source: str
    """Paper and section."""


@dataclass(frozen=True)
class MaskingResult:
    """Whether an attack's failures look like the network's strength, or like gradients that lead nowhere."""

    condition: str
    images: int
    stopped: bool
    """Then `checks` holds those that were finished."""
    as_recorded: bool
    device: str
    seconds: float
    checks: list[MaskingCheck]

    def __post_init__(self) -> None:
        """Make checks of what JSON made of them."""
        made = [MaskingCheck(**check) if isinstance(check, dict) else check for check in self.checks]
        object.__setattr__(self, "checks", made)

    @property
    def warnings(self) -> list[MaskingCheck]:
        """The checks that found their sign."""
        return [check for check in self.checks if check.warns]


@dataclass(frozen=True)
class PicturesResult:
    """Some images clean and perturbed, and what the network decides on them."""

    condition: str
    stopped: bool
    as_recorded: bool
    device: str
    seconds: float
    sample: np.ndarray
    """(n,) their indices in the data set, rising."""
    label: np.ndarray
    """(n,) true classes."""
    decided: np.ndarray
    """(2, n) the classes decided for, clean and perturbed."""
    clean_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""
    perturbed_images: np.ndarray
    """(n, c, h, w) float32 in [0, 1]."""


Result = AttackResult | SweepResult | MaskingResult | PicturesResult
_KINDS: dict[str, type[Result]] = {of.__name__: of for of in (AttackResult, SweepResult, MaskingResult, PicturesResult)}


def to_bytes(result: Result, *, compressed: bool = False) -> bytes:
    """The result as an npz, compressed for keeping."""
    return npz.to_bytes(result, compressed=compressed)


def from_bytes(content: bytes) -> Result:
    """Read a result. Raises `npz.ContentError` for anything else, and for one larger than MOST_RESULT_BYTES."""
    return npz.from_bytes(content, _KINDS, MOST_RESULT_BYTES)


def size(result: Result) -> int:
    """The bytes of memory that its arrays and frames take."""
    values = [getattr(result, field.name) for field in fields(result)]
    held = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
    return held + sum(int(v.memory_usage(deep=True).sum()) for v in values if isinstance(v, pd.DataFrame))


def summary(result: Result) -> dict[str, Any]:
    """What a list of kept results shows, fit for strict JSON: what is not a number is None."""
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
