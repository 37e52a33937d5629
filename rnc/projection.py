"""Features into the plane: one basis for all epochs and conditions, so that nothing jumps (design, decision 9)."""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

UMAP_POINTS = 500
_UMAP_SEED = 0
_UMAP_DIMENSIONS = 50  # what UMAP is given of the features; its search for neighbours is slow in more


class PlanePCA:
    """The two leading principal directions of pooled clean features, with signs fixed so that refits do not flip."""

    def __init__(self, clean_features: Sequence[np.ndarray]) -> None:
        """Fit on the clean features (n, d) of a run's stored epochs, pooled. Raises ValueError where there are none."""
        if not clean_features:
            raise ValueError("PCA needs the features of at least one epoch")
        pooled = np.concatenate(clean_features).astype(np.float64)
        self._pca = PCA(2, svd_solver="full").fit(pooled)
        largest = np.abs(self._pca.components_).argmax(axis=1)
        self._signs = np.sign(self._pca.components_[[0, 1], largest])

    def transform(self, features: np.ndarray) -> np.ndarray:
        """Features (n, d) to coordinates (n, 2)."""
        return self._pca.transform(features.astype(np.float64)) * self._signs


def umap_plane(clean: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """UMAP coordinates (n, 2) of clean features (n, d), then of each of `others`, transformed by the clean fit.

    Seeded, so single-threaded and repeatable. At most UMAP_POINTS clean rows are expected: the caller samples. Features
    of more than 50 dimensions are first brought to the 50 leading principal directions of the clean ones.
    """
    from umap import UMAP  # importing it compiles: only who projects by UMAP pays

    if min(clean.shape) > _UMAP_DIMENSIONS:
        pca = PCA(_UMAP_DIMENSIONS, svd_solver="covariance_eigh").fit(clean.astype(np.float64))
        clean, *others = (pca.transform(part.astype(np.float64)).astype(np.float32) for part in (clean, *others))
    mapper = UMAP(n_neighbors=min(15, len(clean) - 1), random_state=_UMAP_SEED, n_jobs=1).fit(clean)
    return [mapper.embedding_, *(mapper.transform(other) for other in others)]
