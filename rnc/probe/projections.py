"""Projections of a run's sampled features: PCA after each stored epoch, UMAP once at the end."""

from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from rnc.conditions import CLEAN, Condition
from rnc.pca_and_umap_planes import UMAP_POINTS, PlanePCA
from rnc.probe.measure_epoch import Sample
from rnc.probe.measurement_config import MeasurementConfig
from rnc.store.reader import StoreReader
from rnc.store.row_buffer import Rows
from rnc.store.writer import StoreWriter
from rnc.vocabulary import ProjectionMethod, Role, Split

Samples = dict[tuple[Split, Condition], Sample]
Plane = Callable[[np.ndarray, Sequence[np.ndarray]], list[np.ndarray]]
"""Function (clean features, others) -> coordinates (n, 2) of each, like `rnc.pca_and_umap_planes.umap_plane`."""

_LEAST_UMAP = 4
"""The minimum number of points: with fewer, UMAP cannot compute the three directions of its first layout."""


class Projector:
    """The projection of train and test samples of every condition into planes fitted on clean training features."""

    def __init__(self, config: MeasurementConfig, writer: StoreWriter) -> None:
        """Start without epochs."""
        self._config, self._writer = config, writer
        self._epochs: dict[int, Samples] = {}
        self._reported: set[str] = set()

    @property
    def samples_of_last_epoch(self) -> Samples | None:
        """Return the samples of the last epoch added."""
        return self._epochs[max(self._epochs)] if self._epochs else None

    def add_epoch_and_refit_pca(self, epoch: int, samples: Samples) -> None:
        """Add an epoch, refit PCA on all clean training features so far, and store every epoch in the new basis."""
        self._epochs[epoch] = samples
        try:
            pca = PlanePCA([stored[Split.TRAIN, CLEAN].features for stored in self._epochs.values()])
        except ValueError as error:
            self._report_missing("PCA", error)
            return
        rows = Rows()
        for stored_epoch, stored in self._epochs.items():
            for (split, condition), sample in stored.items():
                coordinates = pca.transform(sample.features)
                self._add(rows, ProjectionMethod.PCA, stored_epoch, split, condition, sample.indices, coordinates)
        self._writer.replace_projections(self._config.run_id, ProjectionMethod.PCA, rows)

    def load_stored_epochs(self) -> None:
        """Load the epochs in the store as if by `add_epoch_and_refit_pca`, for a run that is resumed."""
        stored = StoreReader(self._writer.path).samples.features(self._config.run_id)
        for key, part in stored.groupby(["epoch", "split", "condition"]):
            epoch, split, condition = map(str, key)
            vectors = np.stack(list(part["vector"])).astype(np.float32)
            sample = Sample(part["sample"].to_numpy(), part["label"].to_numpy(), vectors)
            self._epochs.setdefault(int(epoch), {})[Split(split), Condition.from_slug(condition)] = sample

    def project_by_umap(self, umap_plane: Plane) -> None:
        """Store UMAP of the training sample: fitted on the last epoch's clean features, then applied to all others."""
        last = max(self._epochs)
        attacked = [c for role, c in self._config.conditions if role in (Role.PERTURBED, Role.TARGETED)]
        epochs = sorted({*self._config.umap_at(), last} & set(self._epochs), reverse=True)
        chosen = [(epoch, condition) for epoch in epochs for condition in (CLEAN, *attacked)]
        chosen_samples = _spread(len(self._epochs[last][Split.TRAIN, CLEAN].indices), UMAP_POINTS)
        if (count := len(chosen_samples)) < _LEAST_UMAP:
            self._report_missing(
                "UMAP", f"it needs the features of at least {_LEAST_UMAP} images, but there are {count}"
            )
            return
        clean, *others = (
            self._epochs[epoch][Split.TRAIN, condition].features[chosen_samples] for epoch, condition in chosen
        )
        try:
            planes = umap_plane(clean, others)
        except RuntimeError as error:
            self._report_missing("UMAP", error)
            return
        rows = Rows()
        for (epoch, condition), plane in zip(chosen, planes, strict=True):
            indices = self._epochs[epoch][Split.TRAIN, condition].indices[chosen_samples]
            self._add(rows, ProjectionMethod.UMAP, epoch, Split.TRAIN, condition, indices, plane)
        self._writer.replace_projections(self._config.run_id, ProjectionMethod.UMAP, rows)

    def _report_missing(self, method: str, reason: object) -> None:
        """Print once that a projection of the run is missing, and why; the rest of the run is not affected."""
        if method not in self._reported:
            self._reported.add(method)
            tqdm.write(f"{self._config.run_id}: no {method}: {reason}")

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
    """Return at most `most` positions, evenly spread over 0..length-1."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(int))
