"""The collapse metrics written out from the paper's formulas (section 3), sample by sample and pair by pair."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_EIGENVALUE_CUTOFF = 1e-12  # of Sigma_B: the square of the paper's 1e-6 for singular values of M


def present_classes(labels: Ints, num_classes: int) -> list[int]:
    """The classes with at least one sample, in order."""
    return [c for c in range(num_classes) if any(int(label) == c for label in labels)]


def class_mean(features: Floats, labels: Ints, c: int) -> Floats:
    """The mean of one class."""
    total, count = np.zeros(features.shape[1]), 0
    for h, label in zip(features, labels, strict=True):
        if int(label) == c:
            total, count = total + h, count + 1
    return total / count


def means_of(features: Floats, labels: Ints, num_classes: int) -> dict[int, Floats]:
    """The mean of every class that is present."""
    return {c: class_mean(features, labels, c) for c in present_classes(labels, num_classes)}


def global_mean_of(means: dict[int, Floats]) -> Floats:
    """The unweighted mean of the class means."""
    total = np.zeros_like(next(iter(means.values())))
    for mean in means.values():
        total = total + mean
    return total / len(means)


def centred_of(means: dict[int, Floats]) -> dict[int, Floats]:
    """mu_c - mu_G."""
    middle = global_mean_of(means)
    return {c: mean - middle for c, mean in means.items()}


def sigma_w(features: Floats, labels: Ints, means: dict[int, Floats]) -> Floats:
    """(1/N) sum (h - mu_c)(h - mu_c)^T."""
    total = np.zeros((features.shape[1], features.shape[1]))
    for h, label in zip(features, labels, strict=True):
        residual = h - means[int(label)]
        total += np.outer(residual, residual)
    return total / len(features)


def sigma_b(means: dict[int, Floats]) -> Floats:
    """(1/C) sum (mu_c - mu_G)(mu_c - mu_G)^T."""
    centred = centred_of(means)
    d = len(next(iter(centred.values())))
    total = np.zeros((d, d))
    for m in centred.values():
        total += np.outer(m, m)
    return total / len(centred)


def nc1(features: Floats, labels: Ints, num_classes: int) -> float:
    """Tr(Sigma_W pinv(Sigma_B)) / C."""
    means = means_of(features, labels, num_classes)
    inverse = np.linalg.pinv(sigma_b(means), rcond=_EIGENVALUE_CUTOFF, hermitian=True)
    return float(np.trace(sigma_w(features, labels, means) @ inverse)) / len(means)


def equinorm(vectors: list[Floats]) -> float:
    """Unbiased std of the norms over their mean."""
    norms = [math.sqrt(sum(float(x) ** 2 for x in v)) for v in vectors]
    mean = sum(norms) / len(norms)
    variance = sum((n - mean) ** 2 for n in norms) / (len(norms) - 1)
    return math.sqrt(variance) / mean


def cosines(vectors: list[Floats]) -> list[float]:
    """The cosine of every ordered pair of different vectors."""
    found = []
    for i, u in enumerate(vectors):
        for j, v in enumerate(vectors):
            if i != j:
                found.append(float(np.dot(u, v)) / math.sqrt(float(np.dot(u, u)) * float(np.dot(v, v))))
    return found


def equiangularity(vectors: list[Floats]) -> float:
    """Mean over c != c' of abs(cos + 1/(C-1))."""
    found = cosines(vectors)
    return sum(abs(cos + 1 / (len(vectors) - 1)) for cos in found) / len(found)


def cosine_std(vectors: list[Floats]) -> float:
    """Unbiased std of the cosines over unordered pairs."""
    pairs = []
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            pairs += cosines([vectors[i], vectors[j]])[:1]
    mean = sum(pairs) / len(pairs)
    return math.sqrt(sum((cos - mean) ** 2 for cos in pairs) / (len(pairs) - 1))


def nc3(weight: Floats, means: dict[int, Floats]) -> float:
    """norm_F(W/norm_F(W) - M/norm_F(M))^2 over the present classes."""
    centred = centred_of(means)
    rows, m = np.array([weight[c] for c in centred]), np.array(list(centred.values()))
    difference = rows / math.sqrt(float((rows**2).sum())) - m / math.sqrt(float((m**2).sum()))
    return float((difference**2).sum())


def nearest_centre(h: Floats, means: dict[int, Floats]) -> int:
    """argmin_c norm(h - mu_c), by explicit distances."""
    best, closest = -1, math.inf
    for c, mean in means.items():
        distance = math.sqrt(sum(float(x) ** 2 for x in h - mean))
        if distance < closest:
            best, closest = c, distance
    return best


def cross_entropy(logits: Floats, label: int) -> float:
    """-log softmax(logits)[label]."""
    highest = max(float(z) for z in logits)
    return highest + math.log(sum(math.exp(float(z) - highest) for z in logits)) - float(logits[label])


def kl(clean_logits: Floats, logits: Floats) -> float:
    """KL(p_clean || p) of two softmax distributions."""
    total = 0.0
    for c in range(len(logits)):
        log_p, log_q = -cross_entropy(clean_logits, c), -cross_entropy(logits, c)
        total += math.exp(log_p) * (log_p - log_q)
    return total


def measure(features: Floats, labels: Ints, weight: Floats, bias: Floats, num_classes: int) -> dict[str, float]:
    """Every metric of `rnc.metrics.measure`."""
    means = means_of(features, labels, num_classes)
    centred, rows = list(centred_of(means).values()), [weight[c] for c in means]
    disagree = right = near_right = 0
    loss = 0.0
    for h, label in zip(features, labels, strict=True):
        logits = np.array([float(np.dot(weight[c], h)) + float(bias[c]) for c in range(num_classes)])
        decided, nearest = int(np.argmax(logits)), nearest_centre(h, means)
        disagree += decided != nearest
        right += decided == int(label)
        near_right += nearest == int(label)
        loss += cross_entropy(logits, int(label))
    n = len(features)
    return {
        "nc1": nc1(features, labels, num_classes),
        "nc2_equinorm": equinorm(centred),
        "nc2_equiangularity": equiangularity(centred),
        "nc2_equinorm_w": equinorm(rows),
        "nc2_equiangularity_w": equiangularity(rows),
        "nc3": nc3(weight, means),
        "nc4": disagree / n,
        "accuracy": right / n,
        "loss": loss / n,
        "ncc_accuracy": near_right / n,
    }


def angle(u: Floats, v: Floats) -> float:
    """The angle between two vectors, by arccos."""
    cos = float(np.dot(u, v)) / math.sqrt(float(np.dot(u, u)) * float(np.dot(v, v)))
    return math.acos(max(-1.0, min(1.0, cos)))


def leap_counts(true: Ints, predicted: Ints, num_classes: int) -> list[list[int]]:
    """Return the number of samples of class i that are decided as j, for all i and j."""
    counts = [[0] * num_classes for _ in range(num_classes)]
    for i, j in zip(true, predicted, strict=True):
        counts[int(i)][int(j)] += 1
    return counts


def leap_angle(features: Floats, true: Ints, predicted: Ints, clean: dict[int, Floats], i: int, j: int) -> float:
    """The angle of the mean of cluster (i, j) to clean mean j, both minus the clean global mean; NaN if empty."""
    members = [h for h, t, p in zip(features, true, predicted, strict=True) if int(t) == i and int(p) == j]
    if not members or j not in clean:
        return math.nan
    middle = global_mean_of(clean)
    return angle(sum(members, np.zeros_like(middle)) / len(members) - middle, clean[j] - middle)
