"""Geometry of stored class means: their cosines, spectrum and distances to a simplex, and the plane or space that they span.

It is plain numpy, for the dashboard, which does not import torch.
"""

import numpy as np

_SAME = 1e-7
"""Differences at or below this, relative to the vectors themselves, are float32 rounding."""


def centre(means: np.ndarray) -> np.ndarray:
    """Return class means (C, d) minus their unweighted mean."""
    return means - means.mean(axis=0, keepdims=True)


def cosine_matrix(vectors: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Return the cosines (C, C') between the rows of `vectors` (C, d) and of `others` (C', d); NaN for rows that are zero.

    Without `others`, the cosines are those between the rows of `vectors`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        unit, other = (
            v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors, vectors if others is None else others)
        )
    return unit @ other.T


def simplex_cosine(num_classes: int) -> float:
    """Return the cosine between two vertices of a simplex ETF, -1/(C-1). Raises ValueError below C = 2."""
    if num_classes < 2:
        raise ValueError(f"a simplex needs at least two classes, got {num_classes}")
    return -1.0 / (num_classes - 1)


def singular_values_over_rms(means: np.ndarray) -> np.ndarray:
    """Return the C - 1 leading singular values of centred class means (C, d) over their root mean square: all 1 at a simplex.

    NaN if the means are all equal.
    """
    values = np.linalg.svd(centre(means), compute_uv=False)[: len(means) - 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return values / np.sqrt((values**2).sum() / (len(means) - 1))


def are_alike(means: np.ndarray) -> bool:
    """Return whether class means (C, d) are all the same up to float32 rounding and therefore span no geometry."""
    return bool(np.abs(centre(means)).max() <= _SAME * np.abs(means).max())


def distances_from_simplex_by_measure(means: np.ndarray) -> dict[str, np.ndarray]:
    """Return distances of class means (..., C, d), not centred, from a simplex ETF of any size: all 0 at a simplex ETF.

    Each is of shape (...), NaN if all means are equal; `cosines` also if one mean equals the mean of all:

    - gram: || G/||G|| - (I - 11'/C)/sqrt(C-1) ||, Frobenius norms, G the Gram matrix (C, C) of the centred means; between 0
      and sqrt(2). Zhu et al. 2021, A Geometric Analysis of Neural Collapse with Unconstrained Features, where it is applied to
      the rows of the classifier.
    - cosines: mean |cos + 1/(C-1)| over pairs of centred means. Papyan, Han, Donoho 2020, figure 4.
    - equinorm: standard deviation (unbiased) over mean of the centred means' norms. The same paper, figure 2.

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


class SimplexSpan:
    """Isometric coordinates in the affine span of k class means: three vertices of a simplex form an equilateral triangle in it.

    Four form a regular tetrahedron. The axes follow the order of the vertices, so that epochs do not turn the span: the first
    vertex lies left of the second at the same height, the third above them, the fourth in front of all three.
    """

    def __init__(self, vertices: np.ndarray) -> None:
        """Span the plane or space of `vertices` (k, d), k at least 2.

        Raises ValueError if they are not finite or, up to rounding, lie in a smaller one.
        """
        count = len(vertices)
        if not np.isfinite(vertices).all():
            raise ValueError(f"a chosen class mean is not finite, so that the {_name(count)} span no {_space(count)}")
        self._origin = vertices.mean(axis=0)
        extents = np.linalg.svd(vertices - self._origin, compute_uv=False)
        if len(extents) < count - 1 or extents[count - 2] <= _SAME * np.linalg.norm(vertices):
            smaller = {3: "on a line", 4: "in a plane"}.get(count, "in a smaller space")
            raise ValueError(f"the {_name(count)} class means lie {smaller} and span no {_space(count)}")
        # Gram-Schmidt in the order of the vertices.
        directions, factors = np.linalg.qr((vertices[1:] - vertices[0]).T)
        self._basis = directions.T * np.sign(np.diagonal(factors))[:, None]

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Project vectors (..., d) to (..., k - 1); distances between the vertices are kept, others only shrink."""
        return (vectors - self._origin) @ self._basis.T

    def project_directions(self, vectors: np.ndarray) -> np.ndarray:
        """Project directions (..., d), such as rows of the classifier, to (..., k - 1)."""
        return vectors @ self._basis.T


def _name(count: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(count, str(count))


def _space(count: int) -> str:
    return {2: "line", 3: "plane"}.get(count, "space")
