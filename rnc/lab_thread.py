"""The attack lab: a stored network, some images and an attack of one's own, run in a thread that can be stopped.

The only place where the dashboard's side meets torch. No Streamlit: a page starts a `LabJob` and looks at it. It goes
when the page asks `rnc.lab.client`, whose worker is a process.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rnc import datasets, metrics
from rnc.attacks import PGDStep, SampleNoise, ball_of, pgd_steps
from rnc.attacks.perturbation import next_class
from rnc.attacks.pgd import Logits
from rnc.conditions import Condition
from rnc.devices import exact_float32, pick_device, set_threads
from rnc.features import FeatureSet, ImageBatch, feature_batches, gather
from rnc.models import FeatureClassifier, weights
from rnc.models.folding import CHECKED_IMAGES, folded_copy
from rnc.models.weights import CheckpointError
from rnc.projection import PlanePCA
from rnc.vocabulary import LabelRule, Split, TargetRule

__all__ = ["CheckpointError", "LabJob", "Outcome", "RecordedImages", "Subject", "load_subject"]

BATCH = 250
SHOWN_IMAGES = 8


@dataclass(frozen=True)
class RecordedImages:
    """The images of one split, as a run recorded them: of the whole set or the `subset` that it trained on."""

    dataset: str
    split: Split
    subset: int = 0
    """How many it trained on; 0 for all."""
    fingerprint: str | None = None
    """`ImageSet.fingerprint` of them; None where the run recorded none."""


@dataclass(frozen=True)
class Subject:
    """What is attacked: a network in eval mode and a class-balanced choice of images (N, c, h, w), on one device."""

    model: FeatureClassifier
    images: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    num_classes: int
    as_recorded: bool = True
    """Whether the images are those of the run; another source of a data set keeps them in another order."""

    @cached_property
    def logits_fn(self) -> Logits:
        """What an attack climbs: the network's logits, by a faster way where there is one."""
        return folded_copy(self.model, self.images[:CHECKED_IMAGES]) or self.model


@dataclass(frozen=True)
class Outcome:
    """Clean against perturbed features of the subject, after `steps` of the attack's steps."""

    steps: int
    stopped: bool
    before: dict[str, float]
    after: dict[str, float]
    alignment: dict[str, float]
    leaps: pd.DataFrame
    """true_class, predicted_class, count, angle (rad)."""
    plane: pd.DataFrame
    """shown, sample, label, predicted, x, y: PCA of the clean features, the perturbed ones in the same plane."""
    clean_images: np.ndarray
    """(n, c, h, w) the first images, with `perturbed_images` and the decisions on both beside them."""
    perturbed_images: np.ndarray
    decisions: list[tuple[int, int, int]]
    """(true, decided before, decided after) of each shown image."""


def load_subject(checkpoint: Path, sha256: str, recorded: RecordedImages, count: int) -> Subject:
    """Load a stored network and `count` images of those recorded (all, where they are fewer), balanced over the classes.

    Raises CheckpointError where the file is missing or is not the one that the store recorded, and DatasetError where
    there are no images of the data set.
    """
    device = pick_device()
    model = weights.load(checkpoint, sha256).to(device)
    set_threads(model)
    exact_float32()
    everything = datasets.load(recorded.dataset, recorded.split)
    num_classes = datasets.spec(recorded.dataset).num_classes
    subset = recorded.subset or len(everything)
    trained = everything.take(everything.balanced_indices(subset, num_classes)) if recorded.subset else everything
    indices = everything.balanced_indices(
        min(count, subset), num_classes
    )  # (a smaller choice lies within a larger one)
    chosen = everything.take(indices).to(device)
    as_recorded = recorded.fingerprint in (None, trained.fingerprint())
    return Subject(model, chosen.pixels(), chosen.labels, indices.to(device), num_classes, as_recorded)


@dataclass
class LabJob:
    """PGD on a subject in a thread of its own. Look at `rounds_done`, `outcome` and `error`; call `stop` at any time.

    A stopped attack is measured as far as it came: all images have taken the same number of steps.
    """

    subject: Subject
    condition: Condition
    restarts: int = 1
    seed: int = 0
    rounds_done: int = 0
    outcome: Outcome | None = None
    error: str | None = None
    _started: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def rounds(self) -> int:
        """How many rounds there are: every restart's start and steps."""
        return self.restarts * ((self.condition.steps or 0) + 1)

    @property
    def running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> "LabJob":
        """Begin; returns itself."""
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="attack-lab", daemon=True)
        self._thread.start()
        return self

    def time_left(self) -> str:
        """The remaining time, from the pace so far."""
        if not self.rounds_done:
            return "starting"
        pace = (time.monotonic() - self._started) / self.rounds_done
        return f"about {pace * (self.rounds - self.rounds_done):.0f} s left"

    def stop(self) -> None:
        """Ask the attack to end after the round under way."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join()

    @property
    def _stopped(self) -> bool:
        return self.rounds_done < self.rounds

    def _steps_done(self) -> int:
        """The steps taken in all restarts; a restart's start is none."""
        starts = -(-self.rounds_done // ((self.condition.steps or 0) + 1))
        return self.rounds_done - starts

    def _run(self) -> None:
        try:
            perturbed = self._attack()
            self.outcome = _compare(self.subject, self.condition, perturbed, self._steps_done(), self._stopped)
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"

    def _attack(self) -> torch.Tensor:
        """All batches step by step together, so that a stop finds every image equally far."""
        batches = torch.arange(len(self.subject.images), device=self.subject.indices.device).split(BATCH)
        attacks = [self._steps(part) for part in batches]
        kept = self.subject.images
        for steps in zip(*attacks, strict=True):
            kept = torch.cat([step.kept for step in steps])
            self.rounds_done += 1
            if self._stop.is_set():
                break
        return kept

    def _steps(self, part: torch.Tensor) -> Iterator[PGDStep]:
        subject, condition = self.subject, self.condition
        assert condition.norm and condition.epsilon and condition.steps is not None and condition.step_size
        labels, targeted = subject.labels[part], condition.target_rule is not TargetRule.UNTARGETED
        return pgd_steps(
            subject.logits_fn,
            subject.images[part],
            next_class(labels, subject.num_classes) if targeted else labels,
            ball_of(condition.norm, condition.epsilon),
            condition.steps,
            condition.step_size,
            targeted=targeted,
            restarts=self.restarts,
            generator=SampleNoise(self.seed, subject.indices[part]),
        )


def _compare(subject: Subject, condition: Condition, perturbed: torch.Tensor, steps: int, stopped: bool) -> Outcome:
    labels = subject.labels
    goal = next_class(labels, subject.num_classes) if condition.label_rule is LabelRule.TARGET else labels
    clean = _features(subject, subject.images)
    moved = _features(subject, perturbed)
    clean_means = metrics.class_means([(clean.features, labels)], subject.num_classes)
    moved_means = metrics.class_means([(moved.features, goal)], subject.num_classes)
    shown = slice(0, SHOWN_IMAGES)
    decisions = zip(labels.tolist(), clean.predicted.tolist(), moved.predicted.tolist(), strict=True)
    return Outcome(
        steps=steps,
        stopped=stopped,
        before=_measure(subject, clean, labels),
        after=_measure(subject, moved, goal),
        alignment={str(name): value for name, value in metrics.align(clean_means, moved_means).summary().items()},
        leaps=_leap_frame(metrics.leaps(moved.features, labels, moved.predicted, clean_means)),
        plane=_plane(subject, clean, moved),
        clean_images=subject.images[shown].cpu().numpy(),
        perturbed_images=perturbed[shown].cpu().numpy(),
        decisions=list(decisions)[shown],
    )


def _features(subject: Subject, images: torch.Tensor) -> FeatureSet:
    parts = zip(images.split(BATCH), subject.labels.split(BATCH), strict=True)
    return gather(feature_batches(subject.model, (ImageBatch(part, labels, labels) for part, labels in parts)))


def _measure(subject: Subject, found: FeatureSet, labels: torch.Tensor) -> dict[str, float]:
    return metrics.measure(found.features, labels, subject.model.weight, subject.model.bias, subject.num_classes)


def _leap_frame(found: metrics.Leaps) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(("true_class", "predicted_class", "count", "angle"), found.clusters(), strict=True)))


def _plane(subject: Subject, clean: FeatureSet, moved: FeatureSet) -> pd.DataFrame:
    pca = PlanePCA([clean.features.cpu().numpy()])
    parts = []
    for shown, found in (("clean", clean), ("perturbed", moved)):
        plane = pca.transform(found.features.cpu().numpy())
        parts.append(
            pd.DataFrame(
                {
                    "shown": shown,
                    "sample": subject.indices.cpu().numpy(),
                    "label": subject.labels.cpu().numpy(),
                    "predicted": found.predicted.cpu().numpy(),
                    "x": plane[:, 0],
                    "y": plane[:, 1],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
