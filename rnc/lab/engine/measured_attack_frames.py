"""An attack recorded as a trajectory: each frame measures all images, and records a few watched images individually."""

import time
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from rnc import metrics
from rnc.features import FeatureSet
from rnc.lab.attack import CLEAN_STEP, AttackRequest, AttackResult
from rnc.lab.engine import collapse_under_attack
from rnc.lab.engine.loading import AttackInputs
from rnc.lab.engine.stepwise_attack import SUCCESS, ReportProgress, StepwiseAttack, Stopped
from rnc.lab.request_base import MOST_FRAMES
from rnc.pca_and_umap_planes import PlanePCA
from rnc.vocabulary import FEATURES_LAYER

_PLANE_IMAGES = 2000
"""Number of clean images on whose features the plane is fitted; more images hardly change it."""
_SHOWN_BYTES = 2**24
_LAYER_COLUMNS = ["layer", "depth", "shown", "metric", "value"]


def record_trajectory(
    inputs: AttackInputs, request: AttackRequest, progress: ReportProgress, stopped: Stopped
) -> AttackResult:
    """Attack the images and record the trajectory. After a stop, all images have taken the same number of steps.

    Raises ValueError if features are not finite, and if the attack is not possible with this number of classes.
    """
    began = time.monotonic()
    attack = StepwiseAttack(inputs, request.condition, request.seed)
    total = attack.num_rounds
    trajectory = _Trajectory(inputs, attack, request.watched)
    progress(0, total, trajectory.rows[0])
    done = starts = without_gradient = 0
    images = inputs.images
    for done, current in enumerate(attack.rounds(), 1):
        starts += current.step == 0
        images = current.images
        without_gradient = current.without_gradient
        ended = done == total or stopped()
        row = None
        if ended or _is_frame(current.restart, current.step, total // request.condition.restarts):
            row = trajectory.add(current.restart, current.step, images)
        progress(done, total, row)
        if ended:
            break
    return AttackResult(
        condition=request.condition.slug,
        steps_done=done - starts,
        rounds=total,
        stopped=done < total,
        as_recorded=inputs.as_recorded,
        device=inputs.device_name,
        layers=trajectory.layers(images, request.layers),
        **trajectory.fields(images),
        seconds=time.monotonic() - began,
        without_gradient=without_gradient,
        images=len(inputs.images),
    )


def _is_frame(restart: int, step: int, rounds_each: int) -> bool:
    return step == rounds_each - 1 or (restart == 0 and step % -(-rounds_each // MOST_FRAMES) == 0)


class _Trajectory:
    """The frames of an attack so far, beginning with the clean images."""

    def __init__(self, inputs: AttackInputs, attack: StepwiseAttack, watched: int) -> None:
        self._inputs, self._attack = inputs, attack
        self._watched = class_balanced_order(inputs.labels)[:watched]
        self._clean = self._last = inputs.features(inputs.images)
        self._clean_means = collapse_under_attack.clean_means(inputs, self._clean)
        sample = _evenly_spaced(self._clean.features).cpu().numpy()
        self._pca = PlanePCA([sample]) if min(sample.shape) > 1 else None
        self.rows: list[dict[str, Any]] = []
        self._arrays: list[dict[str, np.ndarray]] = []
        self._take(0, CLEAN_STEP, self._clean, inputs.labels)

    def add(self, restart: int, step: int, images: torch.Tensor) -> dict[str, Any]:
        """Measure all images of a frame, record the watched ones, and return the frame's row."""
        self._last = self._inputs.features(images)
        self._take(restart, step, self._last, self._attack.measured_by)
        return self.rows[-1]

    def _take(self, restart: int, step: int, features: FeatureSet, labels: torch.Tensor) -> None:
        inputs = self._inputs
        values = collapse_under_attack.frame_metrics(inputs, self._clean_means, features, labels)
        success = self._attack.share_wrong_or_on_target(features.predicted)
        self.rows.append({"restart": restart, "step": step, **values, SUCCESS: success})
        self._arrays.append(self._watch(features.features[self._watched], features.logits[self._watched].double()))

    def _watch(self, features: torch.Tensor, logits: torch.Tensor) -> dict[str, np.ndarray]:
        labels = self._inputs.labels[self._watched]
        true_logits = logits.gather(1, labels[:, None])[:, 0]
        largest_others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
        confidence, predicted = logits.softmax(1).max(1)
        span = (features.double() - self._clean_means.global_mean) @ self._clean_means.singular_values_and_vectors[1].T
        loss = functional.cross_entropy(logits, labels, reduction="none")
        return {
            "plane": self._in_plane(features.cpu().numpy()),
            "span": _as_float32(span),
            "loss": _as_float32(loss),
            "margin": _as_float32(true_logits - largest_others),
            "predicted": predicted.cpu().numpy().astype(np.int32),
            "confidence": _as_float32(confidence),
        }

    def _in_plane(self, features: np.ndarray) -> np.ndarray:
        """Return features (n, d) in the plane, (n, 2); (n, 0) if one feature or image does not define a plane."""
        if self._pca is None:
            return np.zeros((len(features), 0), np.float32)
        return self._pca.transform(features).astype(np.float32)

    def layers(self, perturbed: torch.Tensor, requested: bool) -> pd.DataFrame:
        """Return the measurements of the clean images and of the last ones at every stage and the features, if requested."""
        inputs, by, measured = self._inputs, self._attack.measured_by, collapse_under_attack
        rows: list[tuple] = []
        if requested:
            means = measured.layer_means(inputs, inputs.images, inputs.labels)
            ends = {
                "clean": (inputs.images, inputs.labels, self._clean),
                "perturbed": (perturbed, by, self._last),
            }
            for shown, (images, labels, features) in ends.items():
                stages = measured.layerwise(inputs, images, labels, means)
                stages[FEATURES_LAYER] = measured.nc1_and_ncc_accuracy(inputs, features, labels, self._clean_means)
                for depth, (layer, values) in enumerate(stages.items()):
                    rows += [(layer, depth, shown, str(metric), value) for metric, value in values.items()]
        return pd.DataFrame(rows, columns=_LAYER_COLUMNS)

    def fields(self, perturbed: torch.Tensor) -> dict[str, Any]:
        """Return the fields of the result that describe the trajectory, which ends with the images `perturbed`."""
        inputs, watched = self._inputs, self._watched
        clean, last = self._clean, self._last
        shown = watched[: max(_SHOWN_BYTES // (8 * inputs.images[0].numel()), 1)]
        leaps = metrics.leaps_by_class_pair(
            last.features, inputs.labels, last.predicted, self._clean_means
        ).nonempty_counts_and_angles()
        return {
            "before": collapse_under_attack.collapse_metrics(inputs, clean, inputs.labels),
            "after": collapse_under_attack.collapse_metrics(inputs, last, self._attack.measured_by),
            "alignment": collapse_under_attack.mean_alignment(
                inputs, self._clean_means, last, self._attack.measured_by
            ),
            "leaps": pd.DataFrame(dict(zip(("true_class", "predicted_class", "count", "angle"), leaps, strict=True))),
            "frames": pd.DataFrame(self.rows),
            "sample": inputs.indices[watched].cpu().numpy(),
            "label": inputs.labels[watched].cpu().numpy(),
            "goal": self._attack.target_labels[watched].cpu().numpy(),
            "means_span": (self._clean_means.centred @ self._clean_means.singular_values_and_vectors[1].T)
            .cpu()
            .numpy(),
            "clean_images": _as_float32(inputs.images[shown]),
            "perturbed_images": _as_float32(perturbed[shown]),
        } | {name: np.stack([frame[name] for frame in self._arrays]) for name in self._arrays[0]}


def class_balanced_order(labels: torch.Tensor) -> torch.Tensor:
    """Return the positions of labels (N,), taking the classes in turn, so that the first few are as balanced as possible."""
    by_class = labels.argsort(stable=True)
    counts = labels.bincount()
    begin = counts.cumsum(0) - counts
    rank_in_class = torch.empty_like(labels)
    rank_in_class[by_class] = torch.arange(len(labels), device=labels.device) - begin[labels[by_class]]
    return by_class[rank_in_class[by_class].argsort(stable=True)]


def _evenly_spaced(features: torch.Tensor) -> torch.Tensor:
    """Return at most _PLANE_IMAGES rows, evenly spaced."""
    count = min(len(features), _PLANE_IMAGES)
    return features[torch.arange(count, device=features.device) * len(features) // count]


def _as_float32(x: torch.Tensor) -> np.ndarray:
    return x.float().cpu().numpy()
