"""Streamed class statistics equal the sample-by-sample ones, however the stream is cut, and reject bad batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnc.metrics import class_means, scatter_around
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import clouds


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(0, 5), min_size=2, max_size=5).filter(lambda c: sum(c) > 0),
    cuts=st.lists(st.integers(0, 25), max_size=5),
)
def test_means_and_counts_of_any_batches(seed: int, counts: list[int], cuts: list[int]) -> None:
    features, labels, _w, _b = clouds(seed, counts, d=4)
    parts = list(zip(np.split(features, sorted(cuts)), np.split(labels, sorted(cuts)), strict=True))
    found = class_means(parts, len(counts))
    expected = oracle.means_of(features, labels, len(counts))
    assert found.counts.tolist() == counts
    assert found.present.tolist() == list(expected)
    np.testing.assert_allclose(found.global_mean.numpy(), oracle.global_mean_of(expected), rtol=1e-9, atol=1e-12)
    for c, count in enumerate(counts):
        if count:
            np.testing.assert_allclose(found.means[c].numpy(), expected[c], rtol=1e-9, atol=1e-12)
        else:
            assert found.means[c].isnan().all() and found.centred[c].isnan().all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 15), max_size=4),
    d=st.integers(1, 7),
    as_torch=st.booleans(),
)
def test_scatter_of_any_batches(seed: int, cuts: list[int], d: int, as_torch: bool) -> None:
    features, labels, _w, _b = clouds(seed, [4, 0, 6, 5], d)
    parts = list(zip(np.split(features, sorted(cuts)), np.split(labels, sorted(cuts)), strict=True))
    if as_torch:
        parts = [(torch.from_numpy(h), torch.from_numpy(y)) for h, y in parts]
    means = class_means(parts, 4)
    found = scatter_around(parts, means)
    by_class = oracle.means_of(features, labels, 4)
    covariance = oracle.sigma_w(features, labels, by_class)
    _values, vectors = means.directions
    for variance, direction in zip(found.along.tolist(), vectors.numpy(), strict=True):
        assert variance == pytest.approx(direction @ covariance @ direction, rel=1e-9)
    for c, mean in by_class.items():
        distances = [float(((h - mean) ** 2).sum()) for h in features[labels == c]]
        assert float(found.per_class[c]) == pytest.approx(sum(distances) / len(distances), rel=1e-9)
    assert found.per_class[1].isnan()


@pytest.mark.parametrize(("num_classes", "d"), [(4, 9), (4, 3), (4, 2), (2, 5)])
def test_directions_span_the_centred_means(num_classes: int, d: int) -> None:
    features, labels, _w, _b = clouds(5, [3] * num_classes, d)
    means = class_means([(features, labels)], num_classes)
    values, vectors = means.directions
    assert len(values) == min(num_classes - 1, d)
    np.testing.assert_allclose((vectors @ vectors.T).numpy(), np.eye(len(values)), atol=1e-12)
    inside = means.centred @ vectors.T @ vectors
    np.testing.assert_allclose(inside.numpy(), means.centred.numpy(), atol=1e-12)


def test_a_direction_below_a_millionth_of_the_largest_is_dropped() -> None:
    vertices = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1e-8]])
    assert len(class_means([(vertices, np.arange(3))], 3).directions[0]) == 1
    vertices[2, 1] = 1e-4
    assert len(class_means([(vertices, np.arange(3))], 3).directions[0]) == 2


def test_the_global_mean_does_not_weigh_by_counts() -> None:
    features, labels = np.array([[0.0], [0.0], [0.0], [4.0]]), np.array([0, 0, 0, 1])
    assert class_means([(features, labels)], 2).global_mean.tolist() == [2.0]


def test_float32_features_are_summed_in_float64() -> None:
    features = np.full((3000, 1), np.float32(1e4) + np.float32(1 / 1024), dtype=np.float32)
    found = class_means([(features, np.zeros(3000, dtype=np.int64))], 1)
    assert found.means.dtype == torch.float64
    assert float(found.means[0, 0]) == pytest.approx(float(features[0, 0]), rel=1e-14)


def test_bad_batches_are_refused() -> None:
    features, labels = np.zeros((3, 2)), np.array([0, 1, 2])
    with pytest.raises(ValueError, match="no samples"):
        class_means([], 3)
    with pytest.raises(ValueError, match="no samples"):
        class_means([(features[:0], labels[:0])], 3)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.1; got 0\.\.2"):
        class_means([(features, labels)], 2)
    with pytest.raises(ValueError, match="infinite"):
        class_means([(features, labels), (features + np.inf, labels)], 3)
    with pytest.raises(ValueError, match=r"labels \(N,\)"):
        class_means([(features, labels[:, None])], 3)
    with pytest.raises(ValueError, match=r"features must be \(N, d\)"):
        class_means([(features[0], labels)], 3)
