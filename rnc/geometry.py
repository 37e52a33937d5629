"""Angles between stored vectors, in plain numpy: what the dashboard computes without torch."""

import numpy as np


def centre(means: np.ndarray) -> np.ndarray:
    """Class means (C, d) minus their unweighted mean."""
    return means - means.mean(axis=0, keepdims=True)


def cosine_matrix(vectors: np.ndarray) -> np.ndarray:
    """The cosines (C, C) between the rows of vectors (C, d); NaN where a row is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def simplex_cosine(num_classes: int) -> float:
    """The cosine between two vertices of a simplex equiangular tight frame, -1/(C-1). Raises ValueError below C = 2."""
    if num_classes < 2:
        raise ValueError(f"a simplex needs at least two classes, got {num_classes}")
    return -1.0 / (num_classes - 1)
