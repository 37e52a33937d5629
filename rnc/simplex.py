"""Angles between stored vectors, in plain numpy: what the dashboard computes without torch."""

import numpy as np

_SAME = 1e-7


def centre(means: np.ndarray) -> np.ndarray:
    """Class means (C, d) minus their unweighted mean."""
    return means - means.mean(axis=0, keepdims=True)


def cosine_matrix(vectors: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """The cosines (C, C') between the rows of vectors (C, d) and of others (C', d), or their own; NaN where a row is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit, other = (
            v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, vectors if others is None else others)
        )
    return unit @ other.T


def simplex_cosine(num_classes: int) -> float:
    """The cosine between two vertices of a simplex equiangular tight frame, -1/(C-1). Raises ValueError below C = 2."""
    if num_classes < 2:
        raise ValueError(f"a simplex needs at least two classes, got {num_classes}")
    return -1.0 / (num_classes - 1)


def spectrum(means: np.ndarray) -> np.ndarray:
    """The C - 1 leading singular values of centred class means (C, d) over their root mean square: all 1 at a simplex.

    NaN where the means are all alike.
    """
    values = np.linalg.svd(centre(means), compute_uv=False)[: len(means) - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return values / np.sqrt((values**2).sum() / (len(means) - 1))


def are_alike(means: np.ndarray) -> bool:
    """Return whether class means (C, d) are all the same up to the rounding of float32: they span no geometry."""
    return bool(np.abs(centre(means)).max() <= _SAME * np.abs(means).max())


def simplex_distances(means: np.ndarray) -> dict[str, np.ndarray]:
    """How far class means (..., C, d), not centred, are from a simplex equiangular tight frame of any size: all 0 at one.

    Each is of shape (...), NaN where means coincide with their mean:

    - gram: || G/||G|| - (I - 11'/C)/sqrt(C-1) ||, Frobenius norms, G the Gram matrix (C, C) of the centred means; between 0
      and sqrt(2). Zhu et al. 2021, A Geometric Analysis of Neural Collapse with Unconstrained Features, there of
      the classifier's rows.
    - cosines: mean |cos + 1/(C-1)| over pairs of centred means. Papyan, Han, Donoho 2020, figure 4.
    - equinorm: standard deviation (unbiased) over mean of the centred means' norms. The same, figure 2.

    Raises ValueError below C = 2.
    """
    num_classes = means.shape[-2]
    vertex_cosine = simplex_cosine(num_classes)
    centred = means - means.mean(axis=-2, keepdims=True)
    gram = centred @ centred.swapaxes(-1, -2)
    norms = np.sqrt(np.einsum("...cc->...c", gram))
    simplex = (np.eye(num_classes) - 1 / num_classes) / np.sqrt(num_classes - 1)
    pairs = ~np.eye(num_classes, dtype=bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = gram / np.linalg.norm(gram, axis=(-2, -1), keepdims=True)
        cosines = gram / (norms[..., :, None] * norms[..., None, :])
        return {
            "gram": np.linalg.norm(unit - simplex, axis=(-2, -1)),
            "cosines": np.abs(cosines - vertex_cosine)[..., pairs].mean(axis=-1),
            "equinorm": norms.std(axis=-1, ddof=1) / norms.mean(axis=-1),
        }


class SimplexPlane:
    """The plane through three class means, isometric: three vertices of a simplex are an equilateral triangle in it.

    The first vertex lies left of the second on a level, the third above them, so that epochs do not turn the plane.
    """

    def __init__(self, vertices: np.ndarray) -> None:
        """Span the plane of `vertices` (3, d). Raises ValueError where they lie on a line."""
        self._origin = vertices.mean(axis=0)
        along = vertices[1] - vertices[0]
        aside = vertices[2] - vertices[0]
        first = along / (np.linalg.norm(along) or 1.0)
        second = aside - (aside @ first) * first
        if np.linalg.norm(second) <= 1e-9 * np.linalg.norm(aside):
            raise ValueError("the three class means lie on a line and span no plane")
        self._basis = np.stack([first, second / np.linalg.norm(second)])

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Where vectors (n, d) fall in the plane, (n, 2); distances between its vertices are kept, others only shrink."""
        return (vectors - self._origin) @ self._basis.T
