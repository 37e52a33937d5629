"""Projection of features into the plane, with one basis for all epochs and conditions so that points do not jump (decision 9)."""

from collections.abc import Sequence

import numpy as np

from rnc.vocabulary import NO_PLANE

UMAP_POINTS = 500
_UMAP_SEED = 0
_UMAP_DIMENSIONS = 50  # number of dimensions given to UMAP; its search for neighbours is slow in more


class PlanePCA:
    """The two leading principal directions of pooled clean features, with fixed signs so that a refit does not flip them."""

    def __init__(self, clean_features: Sequence[np.ndarray]) -> None:
        """Fit on the pooled clean features (n, d) of a run's stored epochs. Raises ValueError if there are too few."""
        if not clean_features:
            raise ValueError("PCA needs the features of at least one epoch")
        pooled = np.concatenate(clean_features).astype(np.float64)
        images, size = pooled.shape
        if size < 2:
            raise ValueError(NO_PLANE)
        if images < 2:
            raise ValueError("A plane needs the features of at least 2 images, but there is only 1.")
        self._mean = pooled.mean(axis=0)
        directions = np.linalg.svd(pooled - self._mean, full_matrices=False)[2][:2]
        largest = np.abs(directions).argmax(axis=1)
        self._directions = directions * np.sign(directions[[0, 1], largest])[:, None]

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Project features (n, d) to coordinates (n, 2)."""
        return (features.astype(np.float64) - self._mean) @ self._directions.T


def umap_plane(clean: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return UMAP coordinates (n, 2) of clean features (n, d), then of each of `others`, transformed by the clean fit.

    The fit is seeded, and therefore single-threaded and repeatable. The caller samples: at most UMAP_POINTS clean rows are
    expected. Features of more than 50 dimensions are first projected to the 50 leading principal directions of the clean ones.
    """
    from sklearn.decomposition import (
        PCA,
    )  # imported here, since it and umap take seconds to import
    from umap import UMAP

    if min(clean.shape) > _UMAP_DIMENSIONS:
        pca = PCA(_UMAP_DIMENSIONS, svd_solver="covariance_eigh").fit(clean.astype(np.float64))
        clean, *others = (pca.transform(part.astype(np.float64)).astype(np.float32) for part in (clean, *others))
    mapper = UMAP(n_neighbors=min(15, len(clean) - 1), random_state=_UMAP_SEED, n_jobs=1).fit(clean)
    return [mapper.embedding_, *(mapper.transform(other) for other in others)]
