"""The nearest-centre rule picks what explicit distances pick, among the classes that are present."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import class_means, nearest_centre
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import clouds


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(0, 5), min_size=2, max_size=6).filter(lambda c: sum(c) > 0),
    d=st.integers(1, 6),
)
def test_agrees_with_explicit_distances(seed: int, counts: list[int], d: int) -> None:
    features, labels, _w, _b = clouds(seed, counts, d)
    others = features + np.random.default_rng(seed).normal(size=features.shape)
    vertices = oracle.means_of(features, labels, len(counts))
    found = nearest_centre(others, class_means([(features, labels)], len(counts)))
    assert found.tolist() == [oracle.nearest_centre(h, vertices) for h in others]


@pytest.mark.parametrize("far", [0.0, 1e6])
def test_far_from_the_origin_nothing_is_lost(far: float) -> None:
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) + far
    means = class_means([(centres, np.arange(3))], 3)
    samples = centres + np.array([[0.1, 0.1], [-0.4, 0.0], [0.3, -0.3]])
    assert nearest_centre(samples, means).tolist() == [0, 1, 2]


def test_absent_classes_are_never_chosen() -> None:
    features, labels, _w, _b = clouds(0, [4, 0, 4, 0], 3)
    found = nearest_centre(np.random.default_rng(0).normal(size=(50, 3)) * 10, class_means([(features, labels)], 4))
    assert set(found.tolist()) <= {0, 2}


def test_float32_features_of_torch_are_taken() -> None:
    means = class_means([(np.eye(3), np.arange(3))], 3)
    assert nearest_centre(torch.eye(3), means).tolist() == [0, 1, 2]
