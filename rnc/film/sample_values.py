"""The values by which a film colours its samples: decision, margin, loss, confidence, and the epoch of the first leap.

Tested by tests/rnc/film/test_film_files.py.
"""

from dataclasses import dataclass

import numpy as np

from rnc.film.stored_states import EpochStates, StoredStates
from rnc.store.reader import StoreReader

NEVER = -1
"""The epoch of the first leap of a sample that never leaps."""


@dataclass(frozen=True)
class SampleValues:
    """Values of N samples in M states, which are in the order of the epochs."""

    steps: list[list[int]]
    """The attack steps of each epoch's states."""
    predicted: np.ndarray
    """Predicted classes (M, N); -1 if not stored."""
    margin: np.ndarray
    """Logit of the true class minus the largest other one (M, N); NaN if the classifier is not stored."""
    loss: np.ndarray
    """Cross entropy (M, N) in nats, or NaN likewise."""
    confidence: np.ndarray
    """Probability of the predicted class (M, N), or NaN likewise."""
    first_leap: np.ndarray
    """First stored epoch (N,) at which the clean image is classified correctly and the perturbed one is not, or NEVER."""


def sample_values(reader: StoreReader, states: StoredStates, num_classes: int) -> SampleValues:
    """Return the values of a film's samples in all states; logits are W h + b, of the stored classifier and features."""
    labels = states.samples.labels
    steps, predicted, parts = [], [], []
    first_leap = np.full(len(labels), NEVER)
    for epoch in states.of_epochs():
        steps.append(epoch.steps)
        predicted.append(epoch.predicted)
        leaps = (epoch.predicted[0] == labels) & (epoch.predicted[-1] != labels) & (epoch.predicted[-1] >= 0)
        first_leap[leaps & (first_leap == NEVER)] = epoch.epoch
        parts.append(_of_logits(_logits(reader, states.request.run_id, epoch, num_classes), labels))
    margin, loss, confidence = (np.concatenate(part) for part in zip(*parts, strict=True))
    return SampleValues(steps, np.concatenate(predicted), margin, loss, confidence, first_leap)


def _logits(reader: StoreReader, run_id: str, epoch: EpochStates, num_classes: int) -> np.ndarray:
    """Return the logits (S, N, C); NaN if the classifier of the epoch is not stored or has another width."""
    classes, rows, biases = reader.vectors.classifier_with_biases(run_id, epoch.epoch)
    if list(classes) != list(range(num_classes)) or rows.shape[1] != epoch.vectors.shape[2]:
        return np.full((*epoch.vectors.shape[:2], num_classes), np.nan)
    return epoch.vectors @ rows.T + biases


def _of_logits(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return margin, loss and confidence (S, N) of logits (S, N, C)."""
    true = np.take_along_axis(logits, np.broadcast_to(labels[:, None], (*logits.shape[:2], 1)), axis=2)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, np.broadcast_to(labels[:, None], (*logits.shape[:2], 1)), -np.inf, axis=2)
    largest = logits.max(axis=2)
    log_sum = largest + np.log(np.exp(logits - largest[..., None]).sum(axis=2))
    return true - others.max(axis=2), log_sum - true, np.exp(largest - log_sum)
