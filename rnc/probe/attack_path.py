"""The sampled features along an attack: at its random start and after some of its steps, from an attack on these images alone.

The attack has the random numbers of the measured one, and therefore takes the same steps, except for rounding in batches
of another size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from rnc.attacks import SampleNoise, attack_steps
from rnc.attacks.problem import Logits
from rnc.conditions import Condition
from rnc.features import FeatureSet, ImageBatch, batch_size, feature_batches, gather
from rnc.models import FeatureClassifier
from rnc.probe.measured_images import MeasuredSet
from rnc.probe.metric_rows import MeasuredCondition
from rnc.store.row_buffer import Rows
from rnc.vocabulary import Role

ROLES_WITH_PATH = (Role.PERTURBED, Role.TARGETED)
"""The roles of the conditions whose path is kept."""
KEPT_STEPS = (0, 1, 2, 3, 5, 10)
"""The steps whose features are kept, if the attack has more steps; 0 is the random start."""


@dataclass(frozen=True)
class AttackedNetwork:
    """A network in eval mode, the function that attacks on it differentiate, and the seed of their random numbers."""

    model: FeatureClassifier
    logits_fn: Logits
    seed: int


def steps_of_path(condition: Condition) -> list[int]:
    """Return the kept steps of a condition's attack: all come before its last step, whose features are kept anyway."""
    return [step for step in KEPT_STEPS if step < (condition.steps or 0)]


def add_features_along_attack_path(
    measured_condition: MeasuredCondition, part: MeasuredSet, network: AttackedNetwork
) -> None:
    """Add the features of the kept images at the kept steps of a condition's attack; a path without such steps has no row."""
    indices = part.sample_indices[part.stored_positions].cpu().numpy()
    num_classes = len(measured_condition.means.counts)
    steps = steps_of_path(measured_condition.condition)
    features = path_features(measured_condition.condition, part, network, num_classes, steps)
    add_path_rows(measured_condition.rows, measured_condition.key, indices, features)


def add_path_rows(rows: Rows, key: Mapping[str, Any], indices: np.ndarray, features: dict[int, FeatureSet]) -> None:
    """Add the features of samples (n,) at each step; `key` names their run, epoch, split and condition."""
    for step, of_step in features.items():
        predicted, vectors = of_step.predicted.cpu().numpy(), of_step.features.float().cpu().numpy()
        rows.add("attack_path", **key, step=step, sample=indices, predicted=predicted, vector=vectors)


def path_features(
    condition: Condition, part: MeasuredSet, network: AttackedNetwork, num_classes: int, steps: list[int]
) -> dict[int, FeatureSet]:
    """Return the features of the kept images (in their order) at some steps of a condition's attack.

    They are the iterates of the first restart. With several restarts, or for an attack that returns its best point (APGD),
    the path need not lead to the stored features of the condition: these may be of another restart or of an earlier step.
    """
    batches_at: dict[int, list[FeatureSet]] = {step: [] for step in steps}
    for positions in part.stored_positions.split(batch_size(part.images.images.shape[1:])):
        for step, batch in _iterates(condition, part, network, num_classes, positions, last=max(steps, default=-1)):
            if step in batches_at:
                batches_at[step] += feature_batches(network.model, [batch])
    return {step: gather(batches) for step, batches in batches_at.items() if batches}


def _iterates(
    condition: Condition,
    part: MeasuredSet,
    network: AttackedNetwork,
    num_classes: int,
    positions: torch.Tensor,
    last: int,
) -> Iterator[tuple[int, ImageBatch]]:
    """Yield the steps 0 to `last` of the first restart, each with its images; the attack takes no further step."""
    images, true = part.images.pixels(positions), part.images.labels[positions]
    noise = SampleNoise(network.seed, part.sample_indices[positions])
    path = attack_steps(condition, network.logits_fn, images, true, num_classes, noise)
    for at in islice(path, last + 1):
        yield at.step, ImageBatch(at.images, true, true)
