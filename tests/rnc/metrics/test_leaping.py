"""Leaps: every sample is counted once at (true, predicted), and cluster angles are those of the formula."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rnc.metrics import class_means, leaps_by_class_pair
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints, clouds, simplex


def scene(seed: int, counts: list[int], d: int = 4) -> tuple[Floats, Ints, Ints, Floats]:
    """Perturbed features, true and predicted classes, and the clean features."""
    clean, true, _w, _b = clouds(seed, counts, d)
    rng = np.random.default_rng(seed + 1)
    return clean + rng.normal(size=clean.shape), true, rng.integers(0, len(counts), len(true)), clean


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(0, 6), min_size=2, max_size=5).filter(lambda c: sum(n > 0 for n in c) > 1),
)
def test_agrees_with_the_loops(seed: int, counts: list[int]) -> None:
    features, true, predicted, clean = scene(seed, counts)
    size = len(counts)
    found = leaps_by_class_pair(features, true, predicted, class_means([(clean, true)], size))
    expected = oracle.leap_counts(true, predicted, size)
    assert found.counts.tolist() == expected
    assert int(found.counts.sum()) == len(true)
    assert found.counts.sum(1).tolist() == counts
    vertices = oracle.means_of(clean, true, size)
    for i in range(size):
        for j in range(size):
            angle = oracle.leap_angle(features, true, predicted, vertices, i, j)
            assert float(found.angles[i, j]) == pytest.approx(angle, abs=1e-6, nan_ok=True), (i, j)


def test_features_that_sit_on_another_vertex_are_at_angle_zero_to_it() -> None:
    vertices, true = simplex(4, 5), np.arange(4)
    predicted = (true + 1) % 4
    found = leaps_by_class_pair(vertices[predicted], true, predicted, class_means([(vertices, true)], 4))
    assert found.counts.diagonal().tolist() == [0, 0, 0, 0]
    for i in range(4):
        assert float(found.angles[i, (i + 1) % 4]) <= 1e-12
        assert math.isnan(float(found.angles[i, i]))


def test_nothing_leaps_where_predictions_are_true() -> None:
    features, true, _predicted, clean = scene(4, [3, 4, 5])
    found = leaps_by_class_pair(features, true, true, class_means([(clean, true)], 3))
    assert found.counts.tolist() == [[3, 0, 0], [0, 4, 0], [0, 0, 5]]


def test_clusters_are_the_cells_that_are_not_empty() -> None:
    features, true, predicted, clean = scene(4, [3, 4, 5])
    found = leaps_by_class_pair(features, true, predicted, class_means([(clean, true)], 3))
    expected = oracle.leap_counts(true, predicted, 3)
    cells = {(i, j): expected[i][j] for i in range(3) for j in range(3) if expected[i][j]}
    true_class, predicted_class, count, angle = found.nonempty_counts_and_angles()
    pairs = list(zip(true_class.tolist(), predicted_class.tolist(), strict=True))
    assert dict(zip(pairs, count.tolist(), strict=True)) == cells and len(pairs) == len(cells) < 9
    assert angle.tolist() == [float(found.angles[i, j]) for i, j in pairs]


def test_classes_stored_in_one_byte_do_not_overflow() -> None:
    """With 20 classes, the pairs have numbers of up to 399."""
    features, true, predicted, clean = scene(7, [2] * 20)
    means = class_means([(clean, true)], 20)
    expected = leaps_by_class_pair(features, true, predicted, means).counts.tolist()
    assert (
        leaps_by_class_pair(features, true.astype(np.uint8), predicted.astype(np.uint8), means).counts.tolist()
        == expected
    )


def test_no_samples_are_refused() -> None:
    features, true, predicted, clean = scene(4, [3, 4, 5])
    with pytest.raises(ValueError, match="no samples"):
        leaps_by_class_pair(features[:0], true[:0], predicted[:0], class_means([(clean, true)], 3))


@pytest.mark.parametrize(("true_class", "predicted_class"), [(0, 3), (1, -1), (-1, 3), (3, 0)])
def test_classes_out_of_range_are_refused(true_class: int, predicted_class: int) -> None:
    features, true, predicted, clean = scene(4, [3, 4, 5])
    means = class_means([(clean, true)], 3)
    true, predicted = true.copy(), predicted.copy()
    true[0], predicted[0] = true_class, predicted_class
    with pytest.raises(ValueError, match=r"0\.\.2"):
        leaps_by_class_pair(features, true, predicted, means)


def test_one_prediction_for_many_samples_is_refused() -> None:
    features, true, predicted, clean = scene(4, [3, 4, 5])
    with pytest.raises(ValueError, match=r"predicted|shape|labels"):
        leaps_by_class_pair(features, true, predicted[:1], class_means([(clean, true)], 3))


class _Largest(TorchDispatchMode):
    """Within the block, notes the numbers of the largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, function: Any, _types: Any, given: Any = (), options: Any = None) -> Any:
        made = function(*given, **(options or {}))
        self.numbers = max([self.numbers, *(one.numel() for one in tree_leaves(made) if isinstance(one, torch.Tensor))])
        return made


def test_memory_is_of_the_clusters_and_not_of_all_pairs_of_classes() -> None:
    """A thousand classes of 512 features have a million pairs: their means would be 4 GB."""
    classes, d = 1000, 512
    true = torch.arange(classes)
    vertices = torch.randn(classes, d, generator=torch.Generator().manual_seed(0))
    clean = class_means([(vertices, true)], classes)
    with _Largest() as largest:
        found = leaps_by_class_pair(vertices.roll(-1, 0), true, true.roll(-1), clean)
    assert largest.numbers <= max(classes**2, 2 * classes * d)
    assert found.counts.sum() == classes and (found.counts[true, true.roll(-1)] == 1).all()
    assert found.angles[true, true.roll(-1)].abs().max() < 1e-9 and found.angles.isnan().sum() == classes**2 - classes
