"""An attack recorded as a trajectory: each frame measures all images, and records a few watched images individually."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from rnc import metrics
from rnc.attacks import num_iterations
from rnc.conditions import Condition
from rnc.features import FeatureSet
from rnc.lab.engine import measures
from rnc.lab.engine.loading import Subject
from rnc.lab.engine.rounds import Stopped, attack, goals, measured_by
from rnc.lab.requests import MOST_FRAMES, AttackRequest
from rnc.lab.results import CLEAN_STEP, AttackResult
from rnc.projection import PlanePCA

_PLANE_IMAGES = 2000
"""Number of clean images on whose features the plane is fitted; more images hardly change it."""
_SHOWN_BYTES = 2**24
_LAYER_COLUMNS = ["layer", "depth", "shown", "metric", "value"]

Progress = Callable[[int, int, dict[str, Any] | None], None]
"""(completed rounds, total rounds, the row of a new frame or None)."""


def follow(subject: Subject, request: AttackRequest, progress: Progress, stopped: Stopped) -> AttackResult:
    """Attack the subject and record the trajectory. After a stop, all images have taken the same number of steps.

    Raises ValueError if features are not finite, and if the attack is not possible with this number of classes.
    """
    began, condition, total = time.monotonic(), request.condition, num_iterations(request.condition)
    path = _Path(subject, condition, request.watched)
    progress(0, total, path.rows[0])
    done, starts, kept, still = 0, 0, subject.images, 0
    for found in attack(subject, condition, request.seed):
        done, starts, kept, still = done + 1, starts + (found.step == 0), found.kept, found.without_gradient
        ended = done == total or stopped()
        row = None
        if ended or _is_frame(found.restart, found.step, total // condition.restarts):
            row = path.add(found.restart, found.step, kept)
        progress(done, total, row)
        if ended:
            break
    return AttackResult(
        condition=condition.slug,
        steps_done=done - starts,
        rounds=total,
        stopped=done < total,
        as_recorded=subject.as_recorded,
        device=subject.device_name,
        layers=_layers(subject, path.measured, kept, request.layers),
        **path.fields(kept),
        seconds=time.monotonic() - began,
        without_gradient=still,
        images=len(subject.images),
    )


def _is_frame(restart: int, step: int, rounds_each: int) -> bool:
    return step == rounds_each - 1 or (restart == 0 and step % -(-rounds_each // MOST_FRAMES) == 0)


class _Path:
    """The frames of an attack so far, beginning with the clean images."""

    def __init__(self, subject: Subject, condition: Condition, watched: int) -> None:
        self._subject, self._condition = subject, condition
        self._goal = goals(subject, condition)
        self.measured = measured_by(condition, self._goal, subject.labels)
        self._watched = in_turn(subject.labels)[:watched]
        self._clean = self._last = subject.features(subject.images)
        self._clean_means = measures.clean_means(subject, self._clean)
        sample = _some(self._clean.features).cpu().numpy()
        self._pca = PlanePCA([sample]) if min(sample.shape) > 1 else None
        self.rows: list[dict[str, Any]] = []
        self._arrays: list[dict[str, np.ndarray]] = []
        self._take(0, CLEAN_STEP, self._clean, subject.labels)

    def add(self, restart: int, step: int, images: torch.Tensor) -> dict[str, Any]:
        """Measure all images of a frame, record the watched ones, and return the frame's row."""
        self._last = self._subject.features(images)
        self._take(restart, step, self._last, self.measured)
        return self.rows[-1]

    def _take(self, restart: int, step: int, found: FeatureSet, labels: torch.Tensor) -> None:
        subject = self._subject
        succeeded = measures.success(self._condition, self._goal, subject.labels, found.predicted)
        values = measures.glance(subject, self._clean_means, found, labels)
        self.rows.append({"restart": restart, "step": step, **values, measures.SUCCESS: succeeded})
        self._arrays.append(self._watch(found.features[self._watched], found.logits[self._watched].double()))

    def _watch(self, features: torch.Tensor, logits: torch.Tensor) -> dict[str, np.ndarray]:
        labels = self._subject.labels[self._watched]
        own = logits.gather(1, labels[:, None])[:, 0]
        others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        confidence, predicted = logits.softmax(1).max(1)
        span = (features.double() - self._clean_means.global_mean) @ self._clean_means.directions[1].T
        loss = functional.cross_entropy(logits, labels, reduction="none")
        return {
            "plane": self._placed(features.cpu().numpy()),
            "span": _single(span),
            "loss": _single(loss),
            "margin": _single(own - others),
            "predicted": predicted.cpu().numpy().astype(np.int32),
            "confidence": _single(confidence),
        }

    def _placed(self, features: np.ndarray) -> np.ndarray:
        """Return features (n, d) in the plane, (n, 2); (n, 0) if one feature or image does not define a plane."""
        if self._pca is None:
            return np.zeros((len(features), 0), np.float32)
        return self._pca.transform(features).astype(np.float32)

    def fields(self, kept: torch.Tensor) -> dict[str, Any]:
        """Return the fields of the result that describe the trajectory, which ends with the images `kept`."""
        subject, watched, clean, last = self._subject, self._watched, self._clean, self._last
        shown = watched[: max(_SHOWN_BYTES // (8 * subject.images[0].numel()), 1)]
        leaps = metrics.leaps(last.features, subject.labels, last.predicted, self._clean_means).clusters()
        return {
            "before": measures.measure(subject, clean, subject.labels),
            "after": measures.measure(subject, last, self.measured),
            "alignment": measures.alignment(subject, self._clean_means, last, self.measured),
            "leaps": pd.DataFrame(dict(zip(("true_class", "predicted_class", "count", "angle"), leaps, strict=True))),
            "frames": pd.DataFrame(self.rows),
            "sample": subject.indices[watched].cpu().numpy(),
            "label": subject.labels[watched].cpu().numpy(),
            "goal": self._goal[watched].cpu().numpy(),
            "means_span": (self._clean_means.centred @ self._clean_means.directions[1].T).cpu().numpy(),
            "clean_images": _single(subject.images[shown]),
            "perturbed_images": _single(kept[shown]),
        } | {name: np.stack([frame[name] for frame in self._arrays]) for name in self._arrays[0]}


def in_turn(labels: torch.Tensor) -> torch.Tensor:
    """Return the positions of labels (N,), taking the classes in turn, so that the first few are as balanced as possible."""
    by_class = labels.argsort(stable=True)
    counts = labels.bincount()
    begin = counts.cumsum(0) - counts
    turn = torch.empty_like(labels)
    turn[by_class] = torch.arange(len(labels), device=labels.device) - begin[labels[by_class]]
    return by_class[turn[by_class].argsort(stable=True)]


def _layers(subject: Subject, labels: torch.Tensor, kept: torch.Tensor, wanted: bool) -> pd.DataFrame:
    """Return the measurements at every stage of the clean images, and of the perturbed ones with `labels`."""
    rows: list[tuple] = []
    if wanted:
        centres = measures.layer_means(subject, subject.images, subject.labels)
        found = {
            "clean": measures.layerwise(subject, subject.images, subject.labels, centres),
            "perturbed": measures.layerwise(subject, kept, labels, centres),
        }
        for shown, stages in found.items():
            for depth, (layer, values) in enumerate(stages.items()):
                rows += [(layer, depth, shown, str(metric), value) for metric, value in values.items()]
    return pd.DataFrame(rows, columns=_LAYER_COLUMNS)


def _some(features: torch.Tensor) -> torch.Tensor:
    """Return at most _PLANE_IMAGES rows, evenly spaced."""
    count = min(len(features), _PLANE_IMAGES)
    return features[torch.arange(count, device=features.device) * len(features) // count]


def _single(x: torch.Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
