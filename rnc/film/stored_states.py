"""The states of a film: the sampled features of a run, at every stored epoch and at the attack steps that the run kept.

Tested by tests/rnc/film/test_stored_states.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnc.conditions import CLEAN, Condition
from rnc.store.reader import StoreReader
from rnc.store.stored_vector_checks import as_matrix
from rnc.vocabulary import Split

CLEAN_STEP = -1
"""The step of the clean images, which precedes the attack's start (step 0)."""


@dataclass(frozen=True)
class FilmRequest:
    """The content of a film: the sampled features of a run's split, clean and under one condition."""

    run_id: str
    split: Split
    condition: str
    """The slug of the condition; that of clean for a film without an attack."""
    most: int
    """Largest number of samples, drawn with equally many of each class."""

    @property
    def last_step(self) -> int:
        """The number of the attack's steps; 1 for a condition without steps, such as noise."""
        return Condition.from_slug(self.condition).steps or 1


@dataclass(frozen=True)
class EpochStates:
    """The N samples of a film at one epoch, in S states: clean, kept attack steps in their order, and perturbed."""

    epoch: int
    steps: list[int]
    """The step of each state: CLEAN_STEP, 0 for the attack's start, and so on up to the attack's last step."""
    vectors: np.ndarray
    """Features (S, N, d) as float64; NaN for samples that are not stored in a state."""
    predicted: np.ndarray
    """Predicted classes (S, N); -1 for samples that are not stored in a state."""


@dataclass(frozen=True)
class FilmSamples:
    """The samples of a film, which are the same at every epoch."""

    indices: np.ndarray
    """Sample indices (N,), ascending."""
    labels: np.ndarray
    """True classes (N,)."""
    stored: int
    """The number of samples in the store, of which N are drawn."""


class StoredStates:
    """The states of a film, read from the store one epoch after the other, so that few vectors are in memory at once."""

    def __init__(self, reader: StoreReader, request: FilmRequest) -> None:
        """Read which epochs and samples there are. Raises ValueError if the run stored no features of this split."""
        self._reader, self.request = reader, request
        stored = reader.samples.epochs_and_conditions_with_features(request.run_id)
        stored = stored[stored["split"] == request.split]
        self.epochs = sorted({int(epoch) for epoch in stored[stored["condition"] == CLEAN.slug]["epoch"]})
        if not self.epochs:
            raise ValueError(f"the run stored no features of {request.split} images, so there is nothing to show")
        clean = self._read(self.epochs[-1], [CLEAN.slug])
        self.samples = FilmSamples(
            clean["sample"].to_numpy(np.int64), clean["label"].to_numpy(np.int64), int(clean["stored"].iloc[0])
        )

    def of_epochs(self) -> Iterator[EpochStates]:
        """Yield the states of every epoch, ascending. Raises StoreError for vectors that make no sense."""
        for epoch in self.epochs:
            yield self._of_epoch(epoch)

    def _of_epoch(self, epoch: int) -> EpochStates:
        request = self.request
        rows = self._read(epoch, [CLEAN.slug, request.condition])
        parts = {CLEAN_STEP: rows[rows["condition"] == CLEAN.slug]}
        if request.condition != CLEAN.slug:
            path = self._path_at(epoch)
            steps = [step for step in map(int, path["step"].unique()) if 0 <= step < request.last_step]
            parts |= {step: path[path["step"] == step] for step in steps}
            parts[request.last_step] = rows[rows["condition"] == request.condition]
        parts = {step: part for step, part in sorted(parts.items()) if len(part)}
        placed = [self._placed(part) for part in parts.values()]
        width = {vectors.shape[1] for vectors, _predicted in placed}
        if len(width) > 1:
            raise ValueError(f"the features of epoch {epoch} have different widths under different conditions")
        return EpochStates(
            epoch, list(parts), np.stack([vectors for vectors, _ in placed]), np.stack([p for _, p in placed])
        )

    def _path_at(self, epoch: int) -> pd.DataFrame:
        """Return the features at the attack steps that the run kept at an epoch; none for runs that kept no steps."""
        request = self.request
        return self._reader.samples.features_along_attack(request.run_id, request.split, request.condition, epoch)

    def _placed(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors (N, d) and predictions (N,) of rows in the film's order of samples."""
        given = as_matrix(rows["vector"])
        order = pd.Index(rows["sample"]).get_indexer(self.samples.indices)
        vectors = np.where((order >= 0)[:, None], given[order], np.nan)
        return vectors, np.where(order >= 0, rows["predicted"].to_numpy(np.int64)[order], -1)

    def _read(self, epoch: int, conditions: list[str]) -> pd.DataFrame:
        request = self.request
        return self._reader.samples.features_at_epoch(
            request.run_id, epoch, request.split, conditions, most=request.most, is_kept=False
        )
