"""The field's other measures written out from their formulas (paper, section 3), pair by pair; imports nothing of `rnc`."""

import itertools
import math

import numpy as np

from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints


def cdnv(features: Floats, labels: Ints, num_classes: int) -> float:
    """Mean over c != c' of (v_c + v_c') / (2 norm(mu_c - mu_c')^2)."""
    means = oracle.means_of(features, labels, num_classes)
    variance = {}
    for c, mean in means.items():
        squares = [sum(float(x) ** 2 for x in h - mean) for h, y in zip(features, labels, strict=True) if int(y) == c]
        variance[c] = sum(squares) / len(squares)
    ratios = [
        (variance[i] + variance[j]) / (2 * math.dist(means[i], means[j]) ** 2)
        for i, j in itertools.permutations(means, 2)
    ]
    return sum(ratios) / len(ratios)


def nc1_trace(features: Floats, labels: Ints, means: dict[int, Floats]) -> float:
    """Tr(Sigma_W) / Tr(Sigma_B), both as full matrices."""
    return float(np.trace(oracle.sigma_w(features, labels, means)) / np.trace(oracle.sigma_b(means)))


def gnc2(means: dict[int, Floats]) -> float:
    """Unbiased variance over unordered pairs of log(1 / norm(u_c - u_c'))."""
    unit = {c: m / math.sqrt(float(np.dot(m, m))) for c, m in oracle.centred_of(means).items()}
    return unbiased_variance([math.log(1 / math.dist(unit[i], unit[j])) for i, j in itertools.combinations(unit, 2)])


def unc3(means: dict[int, Floats], weight: Floats) -> float:
    """Unbiased variance over classes of cos(w_c, mu_c - mu_G)."""
    return unbiased_variance([cosine(weight[c], m) for c, m in oracle.centred_of(means).items()])


def nc5(means: dict[int, Floats], foreign_mean: Floats) -> float:
    """Mean over classes of |cos(mu_c, foreign mean)|."""
    return sum(abs(cosine(m, foreign_mean)) for m in means.values()) / len(means)


def nc1_around(features: Floats, labels: Ints, means: dict[int, Floats]) -> float:
    """Tr(Sigma_W pinv(Sigma_B)) / C around the given means."""
    inverse = np.linalg.pinv(oracle.sigma_b(means), rcond=1e-12, hermitian=True)
    return float(np.trace(oracle.sigma_w(features, labels, means) @ inverse)) / len(means)


def nearest_share(features: Floats, labels: Ints, means: dict[int, Floats]) -> float:
    """The share of samples whose closest mean is their label's."""
    right = [oracle.nearest_centre(h, means) == int(y) for h, y in zip(features, labels, strict=True)]
    return sum(right) / len(right)


def cosine(u: Floats, v: Floats) -> float:
    """u.v over both norms."""
    return float(np.dot(u, v)) / math.sqrt(float(np.dot(u, u)) * float(np.dot(v, v)))


def unbiased_variance(values: list[float]) -> float:
    """Sum of squared deviations over n - 1."""
    mean = sum(values) / len(values)
    return sum((x - mean) ** 2 for x in values) / (len(values) - 1)
