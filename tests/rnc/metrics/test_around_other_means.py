"""Samples of one condition around the class means of another: the formulas, closed cases, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import class_means, collapse, cross, measure, scatter_around
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints, clouds, orthogonal, simplex
from tests.rnc.metrics import related_oracle

SEEDS = st.integers(0, 2**32 - 1)
KEYS = {Metric.NC1, Metric.NC1_TRACE, Metric.NCC_ACCURACY}


def scene(seed: int, counts: list[int], d: int) -> tuple[Floats, Floats, Ints]:
    """Features, those that the means are of, and the labels of both."""
    around, labels, _w, _b = clouds(seed, counts, d)
    return around + np.random.default_rng(seed + 1).normal(size=around.shape) + 0.5, around, labels


@examples(60)
@given(
    seed=SEEDS,
    counts=st.lists(st.integers(0, 6), min_size=2, max_size=6).filter(lambda c: sum(map(bool, c)) > 1),
    d=st.integers(1, 8),
    as_torch=st.booleans(),
)
def test_agrees_with_the_formulas(seed: int, counts: list[int], d: int, as_torch: bool) -> None:
    features, around, labels = scene(seed, counts, d)
    means, given_means = class_means([(around, labels)], len(counts)), oracle.means_of(around, labels, len(counts))
    found = (
        cross(torch.from_numpy(features), torch.from_numpy(labels), means)
        if as_torch
        else cross(features, labels, means)
    )
    assert found.keys() == KEYS
    assert found[Metric.NC1] == pytest.approx(related_oracle.nc1_around(features, labels, given_means), rel=1e-6)
    assert found[Metric.NC1_TRACE] == pytest.approx(related_oracle.nc1_trace(features, labels, given_means), rel=1e-9)
    assert found[Metric.NCC_ACCURACY] == related_oracle.nearest_share(features, labels, given_means)


def test_around_its_own_means_it_is_what_measure_says() -> None:
    features, labels, weight, bias = clouds(3, [7, 4, 0, 12, 5], d=6)
    means = class_means([(features, labels)], 5)
    found, own = cross(features, labels, means), measure(features, labels, weight, bias, 5)
    collapsed = collapse(means, scatter_around([(features, labels)], means), weight)
    assert found[Metric.NC1] == own["nc1"] and found[Metric.NCC_ACCURACY] == own["ncc_accuracy"]
    assert found[Metric.NC1_TRACE] == collapsed[Metric.NC1_TRACE]


@pytest.mark.parametrize("num_classes", [2, 4, 10])
@pytest.mark.parametrize("inside", [True, False])
def test_a_shifted_simplex_in_closed_form(num_classes: int, inside: bool) -> None:
    radius, length = 2.0, 0.3
    vertices, labels = simplex(num_classes, num_classes + 1, radius), np.arange(num_classes)
    outside = np.linalg.svd(vertices)[2][-1]  # orthogonal to all vertices
    shift = length * (vertices[1] / radius if inside else outside)
    found = cross(vertices + shift, labels, class_means([(vertices, labels)], num_classes))
    nc1 = (num_classes - 1) * length**2 / (num_classes * radius**2) if inside else 0.0
    assert found[Metric.NC1] == pytest.approx(nc1, rel=1e-9, abs=1e-12)
    assert found[Metric.NC1_TRACE] == pytest.approx(length**2 / radius**2, rel=1e-9)
    assert found[Metric.NCC_ACCURACY] == 1.0


def test_features_that_leapt_to_the_next_vertex_in_closed_form() -> None:
    vertices, labels = simplex(5, 7, radius=3.0), np.arange(5)
    found = cross(vertices[(labels + 1) % 5], labels, class_means([(vertices, labels)], 5))
    assert found[Metric.NC1] == pytest.approx(2.0, rel=1e-9)
    assert found[Metric.NC1_TRACE] == pytest.approx(2 * 5 / 4, rel=1e-9)
    assert found[Metric.NCC_ACCURACY] == 0.0


@examples(30)
@given(seed=SEEDS, rotation=SEEDS, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_what_moves_both_conditions_changes_nothing(seed: int, rotation: int, scale: float, shift: float) -> None:
    features, around, labels = scene(seed, [7, 4, 0, 12], 6)
    q, order = orthogonal(6, rotation), np.random.default_rng(seed).permutation(len(labels))
    moved_means = class_means([(scale * (around + shift) @ q, labels)], 4)
    moved = cross((scale * (features + shift) @ q)[order], labels[order], moved_means)
    for metric, value in cross(features, labels, class_means([(around, labels)], 4)).items():
        assert moved[metric] == pytest.approx(value, rel=1e-8), metric


def test_samples_of_a_class_without_a_mean_miss_and_do_not_scatter() -> None:
    features, around, labels = scene(4, [6, 5, 7], 4)
    means = class_means([(around[labels != 1], labels[labels != 1])], 3)
    found, known = cross(features, labels, means), cross(features[labels != 1], labels[labels != 1], means)
    assert found[Metric.NC1] == pytest.approx(known[Metric.NC1], rel=1e-12)
    assert found[Metric.NC1_TRACE] == pytest.approx(known[Metric.NC1_TRACE], rel=1e-12)
    assert found[Metric.NCC_ACCURACY] == pytest.approx(known[Metric.NCC_ACCURACY] * 13 / 18, rel=1e-12)


def test_a_class_that_has_a_mean_but_no_sample_still_counts_between() -> None:
    features, around, labels = scene(5, [6, 5, 7], 4)
    part = labels != 1
    found = cross(features[part], labels[part], class_means([(around, labels)], 3))
    given_means = oracle.means_of(around, labels, 3)
    assert found[Metric.NC1] == pytest.approx(
        related_oracle.nc1_around(features[part], labels[part], given_means), rel=1e-9
    )


def test_one_mean_gives_no_collapse() -> None:
    found = cross(np.eye(3), np.zeros(3, dtype=np.int64), class_means([(np.ones((1, 3)), np.array([0]))], 2))
    assert math.isnan(found[Metric.NC1]) and math.isnan(found[Metric.NC1_TRACE])
    assert found[Metric.NCC_ACCURACY] == 1.0


def test_bad_samples_are_refused() -> None:
    features, around, labels = scene(4, [6, 5, 7], 4)
    means = class_means([(around, labels)], 3)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2; got .*3"):
        cross(features, labels + 1, means)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2; got -1"):
        cross(features, labels - 1, means)
    with pytest.raises(ValueError, match=r"labels \(N,\)"):
        cross(features, labels[:-1], means)
    broken = features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        cross(broken, labels, means)
