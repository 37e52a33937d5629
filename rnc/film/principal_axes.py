"""The three leading principal axes of a run's clean training features: the first two are those of the stored projection.

Tested by tests/rnc/film/test_positions.py.
"""

from dataclasses import dataclass

import numpy as np

from rnc.conditions import CLEAN
from rnc.film.stored_states import FilmRequest, StoredStates
from rnc.store.queries.samples import EVERY_SAMPLE
from rnc.store.reader import StoreReader
from rnc.vocabulary import NO_PLANE, Split

_AXES = 3
MOST_DIMENSIONS = 4096
"""Largest number of features of a network whose axes are fitted: their covariance then takes 128 MiB."""
_MOST_FOR_ALL_AXES = 1024
"""Largest number of features for which all axes are computed, of which three are taken; it takes about a second."""
_BLOCK, _ROUNDS = 16, 200


@dataclass(frozen=True)
class PrincipalAxes:
    """An origin (d,) and up to three orthonormal directions (k, d), with the signs of the stored projection."""

    origin: np.ndarray
    directions: np.ndarray

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Project vectors (..., d) to coordinates (..., 3); the third is 0 for features of two dimensions."""
        coordinates = (vectors - self.origin) @ self.directions.T
        missing = _AXES - coordinates.shape[-1]
        return np.concatenate([coordinates, np.zeros((*coordinates.shape[:-1], missing))], axis=-1)


def principal_axes_of_all_epochs(reader: StoreReader, run_id: str) -> PrincipalAxes:
    """Fit the axes to the clean training features of all stored epochs together, as `rnc.pca_and_umap_planes.PlanePCA` does.

    The vectors are summed up epoch by epoch. Raises ValueError if the features have one dimension or more than MOST_DIMENSIONS,
    or if there are too few.
    """
    states = StoredStates(reader, FilmRequest(run_id, Split.TRAIN, CLEAN.slug, EVERY_SAMPLE))
    count, total, products = 0, np.zeros(0), np.zeros(0)
    for epoch in states.of_epochs():
        vectors = epoch.vectors[0][np.isfinite(epoch.vectors[0]).all(axis=1)]
        if not len(vectors):
            continue
        if not count:
            _check_width(vectors.shape[1])
            shift = vectors.mean(axis=0)  # sums of deviations from any point near the mean keep their digits
            total, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        deviations = vectors - shift
        count, total, products = (
            count + len(vectors),
            total + deviations.sum(axis=0),
            products + deviations.T @ deviations,
        )
    if count < 2:
        raise ValueError(f"A plane needs the features of at least 2 images, but there is only {count}.")
    mean = total / count
    directions = _leading(products / count - np.outer(mean, mean))
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return PrincipalAxes(shift + mean, directions * signs[:, None])


def _check_width(width: int) -> None:
    if width < 2:
        raise ValueError(NO_PLANE)
    if width > MOST_DIMENSIONS:
        raise ValueError(
            f"the features have {width:,} dimensions, and principal axes are fitted to at most {MOST_DIMENSIONS:,}; choose the "
            "plane of three class means"
        )


def _leading(covariance: np.ndarray) -> np.ndarray:
    """Return the leading eigenvectors (k, d) of a covariance matrix (d, d), k being 3 or d."""
    if len(covariance) <= _MOST_FOR_ALL_AXES:
        return np.linalg.eigh(covariance)[1][:, ::-1][:, :_AXES].T
    block = np.linalg.qr(np.random.default_rng(0).standard_normal((len(covariance), _BLOCK)))[0]
    for _round in range(_ROUNDS):  # subspace iteration
        block = np.linalg.qr(covariance @ block)[0]
    within = np.linalg.eigh(block.T @ covariance @ block)[1][:, ::-1][:, :_AXES]
    return (block @ within).T
