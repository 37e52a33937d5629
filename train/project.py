"""Keeps a run's sampled features and writes their projections: PCA as epochs land, UMAP once at the end."""

import numpy as np

from rnc.projection import UMAP_POINTS, PlanePCA, umap_plane
from rnc.store.rows import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import CLEAN, Condition, ProjectionMethod, Role, Split
from train.config import RunConfig
from train.probe import Sample

Samples = dict[tuple[Split, Condition], Sample]


class Projector:
    """Projects train and test samples of every condition into planes fitted on clean training features."""

    def __init__(self, config: RunConfig, writer: StoreWriter) -> None:
        """Start with no epoch."""
        self._config, self._writer = config, writer
        self._epochs: dict[int, Samples] = {}

    @property
    def latest(self) -> Samples | None:
        """The samples of the last epoch that was added."""
        return self._epochs[max(self._epochs)] if self._epochs else None

    def add_epoch(self, epoch: int, samples: Samples) -> None:
        """Take an epoch in, refit PCA on all clean training features so far, and store every epoch in the new basis."""
        self._epochs[epoch] = samples
        pca = PlanePCA([stored[Split.TRAIN, CLEAN].features for stored in self._epochs.values()])
        rows = Rows()
        for stored_epoch, stored in self._epochs.items():
            for (split, condition), sample in stored.items():
                coordinates = pca.transform(sample.features)
                self._add(rows, ProjectionMethod.PCA, stored_epoch, split, condition, sample.indices, coordinates)
        self._writer.replace_projections(self._config.run_id, ProjectionMethod.PCA, rows)

    def project_by_umap(self) -> None:
        """UMAP of the last epoch's training sample: fitted on clean, the attacks' features transformed."""
        samples, epoch = self._epochs[max(self._epochs)], max(self._epochs)
        attacked = [c for role, c in self._config.conditions if role in (Role.PERTURBED, Role.TARGETED)]
        chosen = [CLEAN, *attacked]
        taken = _spread(len(samples[Split.TRAIN, CLEAN].indices), UMAP_POINTS)
        clean, *others = (samples[Split.TRAIN, condition].features[taken] for condition in chosen)
        rows = Rows()
        for condition, plane in zip(chosen, umap_plane(clean, others), strict=True):
            indices = samples[Split.TRAIN, condition].indices[taken]
            self._add(rows, ProjectionMethod.UMAP, epoch, Split.TRAIN, condition, indices, plane)
        self._writer.replace_projections(self._config.run_id, ProjectionMethod.UMAP, rows)

    def _add(
        self,
        rows: Rows,
        method: ProjectionMethod,
        epoch: int,
        split: Split,
        condition: Condition,
        indices: np.ndarray,
        coordinates: np.ndarray,
    ) -> None:
        key = {"run_id": self._config.run_id, "epoch": epoch, "split": split, "condition": condition.slug}
        rows.add("projection", **key, method=method, sample=indices, coordinates=coordinates)


def _spread(length: int, most: int) -> np.ndarray:
    """At most `most` positions, evenly spread over 0..length-1."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))
