"""Streamed class statistics equal the sample-by-sample ones, however the stream is cut, and reject bad batches."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import ClassMeans, Scatter, class_means, row_chunks_and_precision, scatter_around
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import clouds
from tests.rnc.metrics.simulated_ranks import Reduce, together


@examples(40)
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
    assert found.present_classes.tolist() == list(expected)
    np.testing.assert_allclose(found.global_mean.numpy(), oracle.global_mean_of(expected), rtol=1e-9, atol=1e-12)
    for c, count in enumerate(counts):
        if count:
            np.testing.assert_allclose(found.means[c].numpy(), expected[c], rtol=1e-9, atol=1e-12)
        else:
            assert found.means[c].isnan().all() and found.centred[c].isnan().all()


@examples(40)
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
    _values, vectors = means.singular_values_and_vectors
    for variance, direction in zip(found.along.tolist(), vectors.numpy(), strict=True):
        assert variance == pytest.approx(direction @ covariance @ direction, rel=1e-9)
    for c, mean in by_class.items():
        distances = [float(((h - mean) ** 2).sum()) for h in features[labels == c]]
        assert float(found.per_class[c]) == pytest.approx(sum(distances) / len(distances), rel=1e-9)
    assert found.per_class[1].isnan()
    assert found.total == pytest.approx(float(np.trace(covariance)), rel=1e-9)


@pytest.mark.parametrize(("num_classes", "d"), [(4, 9), (4, 3), (4, 2), (2, 5)])
def test_directions_span_the_centred_means(num_classes: int, d: int) -> None:
    features, labels, _w, _b = clouds(5, [3] * num_classes, d)
    means = class_means([(features, labels)], num_classes)
    values, vectors = means.singular_values_and_vectors
    assert len(values) == min(num_classes - 1, d)
    np.testing.assert_allclose((vectors @ vectors.T).numpy(), np.eye(len(values)), atol=1e-12)
    inside = means.centred @ vectors.T @ vectors
    np.testing.assert_allclose(inside.numpy(), means.centred.numpy(), atol=1e-12)


def test_a_direction_below_a_millionth_of_the_largest_is_dropped() -> None:
    vertices = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1e-8]])
    assert len(class_means([(vertices, np.arange(3))], 3).singular_values_and_vectors[0]) == 1
    vertices[2, 1] = 1e-4
    assert len(class_means([(vertices, np.arange(3))], 3).singular_values_and_vectors[0]) == 2


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


def test_bad_samples_around_means_are_refused() -> None:
    features, labels = np.zeros((3, 2)), np.array([0, 1, 2])
    means = class_means([(features, labels)], 3)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2; got 1\.\.3"):
        scatter_around([(features, labels + 1)], means)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2; got -1\.\.1"):
        scatter_around([(features, labels - 1)], means)
    with pytest.raises(ValueError, match=r"labels \(N,\)"):
        scatter_around([(features, labels[:2])], means)
    with pytest.raises(ValueError, match="NaN"):
        scatter_around([(features, labels), (features + np.nan, labels)], means)


def test_around_means_without_samples_there_is_no_scatter() -> None:
    means = class_means([(np.eye(3), np.arange(3))], 3)
    found = scatter_around([(np.zeros((0, 3)), np.zeros(0, dtype=np.int64))], means)
    assert found.along.isnan().all() and found.per_class.isnan().all() and np.isnan(found.total)


@pytest.mark.parametrize("chunk", [1, 10, 44])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, _w, _b = clouds(5, [4, 0, 6, 5], 4)
    whole = class_means([(features, labels)], 4)
    expected = scatter_around([(features, labels)], whole)
    monkeypatch.setattr(row_chunks_and_precision, "_CHUNK", {"cpu": chunk})
    monkeypatch.setattr(row_chunks_and_precision, "_LEAST_ROWS", 1)
    means = class_means([(features, labels)], 4)
    assert_same((means, scatter_around([(features, labels)], means)), (whole, expected))


@examples(30)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 15), ranks=st.integers(1, 3))
def test_ranks_together_find_what_one_process_does(seed: int, cut: int, ranks: int) -> None:
    """Also where a rank has an empty batch, or misses a class."""
    features, labels, _w, _b = clouds(seed, [4, 0, 6, 5], 4)
    cuts = [cut, (cut + 15) // 2][: ranks - 1]
    parts = list(zip(np.split(features, cuts), np.split(labels, cuts), strict=True))

    def work(rank: int, reduce: Reduce) -> tuple[ClassMeans, Scatter]:
        means = class_means([parts[rank]], 4, reduce)
        return means, scatter_around([parts[rank]], means, reduce)

    means = class_means([(features, labels)], 4)
    for found in together(ranks, work):
        assert_same(found, (means, scatter_around([(features, labels)], means)))


def test_all_ranks_refuse_what_one_of_them_cannot_measure() -> None:
    def work(rank: int, reduce: Reduce) -> str:
        with pytest.raises(ValueError, match="NaN") as raised:
            class_means([(np.full((3, 2), np.nan if rank else 1.0), np.arange(3))], 3, reduce)
        return str(raised.value)

    assert len(set(together(2, work))) == 1


def assert_same(found: tuple[ClassMeans, Scatter], expected: tuple[ClassMeans, Scatter]) -> None:
    (means, scatter), (means_there, scatter_there) = found, expected
    assert means.counts.tolist() == means_there.counts.tolist()
    torch.testing.assert_close(means.means, means_there.means, rtol=1e-9, atol=1e-12, equal_nan=True)
    torch.testing.assert_close(scatter.along, scatter_there.along, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(scatter.per_class, scatter_there.per_class, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert scatter.total == pytest.approx(scatter_there.total, rel=1e-9)
