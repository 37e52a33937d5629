"""An attack that is recorded step by step: its request and its result.

Symbols: T frames of a trajectory, n watched images, m shown images, C classes, k <= C - 1 dimensions spanned by the centred
clean class means, (c, h, w) image.

Tested by tests/rnc/lab/engine/test_measured_attack_frames.py.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from rnc.class_mean_geometry import SimplexSpan
from rnc.lab.estimates import attack_passes, measured_frames
from rnc.lab.network_and_images import check_integer
from rnc.lab.request_base import OneNetworkRequest, check_attack
from rnc.lab.result_base import Result

MOST_WATCHED = 500
CLEAN_STEP = -1
"""The `step` of the frame of clean images, which comes before the start (step 0)."""


@dataclass(frozen=True)
class AttackRequest(OneNetworkRequest):
    """An attack on class-balanced images of a source, recorded step by step. Raises RequestError."""

    kind: ClassVar[str] = "attack"
    images: int = 300
    seed: int = 0
    layers: bool = False
    """True if NC1 and nearest-class-mean accuracy are measured at every stage of the network, before and after."""
    watched: int = 200
    """Number of images that are recorded individually."""

    def __post_init__(self) -> None:
        """Check all fields."""
        self._check_fields()
        check_attack(self.condition)
        check_integer("watched images", self.watched, 1, MOST_WATCHED)

    def passes_per_image(self) -> float:
        """Return the approximate number of forward passes per image."""
        return attack_passes(self.condition, every_frame=True)

    def metric_computations_per_network(self) -> float:
        """Return how often the metrics of all images are computed: at every frame, and at all stages before and after."""
        return measured_frames(self.condition, every_frame=True) + 2.0 * self.layers


@dataclass(frozen=True)
class AttackResult(Result):
    """Clean and perturbed images of one network, and the trajectory between them."""

    stored_as: ClassVar[str] = "AttackResult"
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
    """layer, depth, shown (clean, perturbed), metric (nc1, ncc_accuracy), value; empty if not requested. The penultimate features
    are the last layer, except in results that were stored before they were one.
    """
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
    def frame_of_lasting_leap(self) -> np.ndarray:
        """(n,) the first frame from which on the prediction always differs from the clean one; -1 if it is equal at the end."""
        other = self.predicted != self.predicted[:1]
        for_good = np.logical_and.accumulate(other[::-1], axis=0)[::-1]
        return np.where(for_good.any(axis=0), for_good.argmax(axis=0), -1)

    def samples_and_means_on_plane(self, classes: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Project the watched images (T, n, 2) and three clean class means (3, 2) on the plane through these means.

        Raises ValueError if the means lie on a line, or if a class is absent.
        """
        vertices = self.means_span[list(classes)].astype(np.float64)
        if np.isnan(vertices).any():
            raise ValueError("a class without images spans no plane; choose others")
        plane = SimplexSpan(vertices)
        frames, images, size = self.span.shape
        flat = plane.project(self.span.reshape(frames * images, size).astype(np.float64))
        return flat.reshape(frames, images, 2), plane.project(vertices)

    def _summary(self) -> dict[str, Any]:
        return {"condition": self.condition, "before": self.before, "after": self.after, **self.alignment}
