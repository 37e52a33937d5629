"""CDNV, the ratio of traces, GNC2, UNC3 and NC5 equal their formulas, and are what geometry says in closed cases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import ClassMeans, class_means, collapse, measure, nc5, scatter_around
from rnc.metrics.collapse import MEASURED
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints, clouds, orthogonal, simplex
from tests.rnc.metrics import related_oracle

KIN = (Metric.CDNV, Metric.NC1_TRACE, Metric.GNC2, Metric.UNC3)
SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.lists(st.sampled_from([0, 1, 2, 3, 5, 9]), min_size=3, max_size=6).filter(lambda c: sum(map(bool, c)) > 2)
"""Samples per class: unbalanced, some classes absent, at least three present."""
SQUARE = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])


def kin_of(features: Floats, labels: Ints, weight: Floats) -> dict[Metric, float]:
    means = class_means([(features, labels)], len(weight))
    found = collapse(means, scatter_around([(features, labels)], means), weight)
    return {metric: found[metric] for metric in KIN}


def means_at(points: Floats) -> ClassMeans:
    """One sample a class, at the given points (C, d)."""
    return class_means([(points, np.arange(len(points)))], len(points))


def spread(points: Floats, sds: list[float]) -> tuple[Floats, Ints]:
    """Two samples a class, `sd` to either side of its point along an axis of their own."""
    flat = np.hstack([points, np.zeros((len(points), 1))])
    aside = np.zeros_like(flat)
    aside[:, -1] = sds
    return np.vstack([flat + aside, flat - aside]), np.tile(np.arange(len(points)), 2)


@examples(80)
@given(seed=SEEDS, counts=COUNTS, d=st.integers(2, 8))
def test_agree_with_the_formulas(seed: int, counts: list[int], d: int) -> None:
    features, labels, weight, _bias = clouds(seed, counts, d)
    means = oracle.means_of(features, labels, len(counts))
    found = kin_of(features, labels, weight)
    assert found[Metric.CDNV] == pytest.approx(related_oracle.cdnv(features, labels, len(counts)), rel=1e-9)
    assert found[Metric.NC1_TRACE] == pytest.approx(related_oracle.nc1_trace(features, labels, means), rel=1e-9)
    assert found[Metric.GNC2] == pytest.approx(related_oracle.gnc2(means), rel=1e-7, abs=1e-14)
    assert found[Metric.UNC3] == pytest.approx(related_oracle.unc3(means, weight), rel=1e-7, abs=1e-14)


@examples(40)
@given(seed=SEEDS, counts=COUNTS, d=st.integers(1, 8))
def test_nc5_agrees_with_the_formula(seed: int, counts: list[int], d: int) -> None:
    features, labels, _weight, _bias = clouds(seed, counts, d)
    foreign = np.random.default_rng(seed + 1).normal(size=d)
    means = class_means([(features, labels)], len(counts))
    expected = related_oracle.nc5(oracle.means_of(features, labels, len(counts)), foreign)
    assert nc5(means, foreign) == pytest.approx(expected, rel=1e-9)
    assert nc5(means, torch.from_numpy(-3.0 * foreign)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("num_classes", "d"), [(3, 3), (4, 9), (10, 16)])
def test_an_exact_simplex_is_zero(num_classes: int, d: int) -> None:
    vertices, labels = simplex(num_classes, d, radius=2.5, seed=num_classes), np.tile(np.arange(num_classes), 6)
    for metric, value in kin_of(7.0 + vertices[labels], labels, 4.0 * vertices).items():
        assert value == pytest.approx(0.0, abs=1e-12), metric


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_spread_simplex_in_closed_form(num_classes: int) -> None:
    radius, sds = 1.5, np.linspace(0.2, 0.7, num_classes).tolist()
    features, labels = spread(simplex(num_classes, num_classes, radius), sds)
    found = kin_of(features, labels, np.ones((num_classes, num_classes + 1)))
    variance, apart = float(np.mean(np.square(sds))), 2 * num_classes * radius**2 / (num_classes - 1)
    assert found[Metric.CDNV] == pytest.approx(variance / apart, rel=1e-9)
    assert found[Metric.NC1_TRACE] == pytest.approx(variance / radius**2, rel=1e-9)


def test_a_square_in_closed_form() -> None:
    features, labels = spread(SQUARE, [0.3] * 4)
    found = kin_of(features, labels, np.ones((4, 3)))
    assert found[Metric.GNC2] == pytest.approx(math.log(2) ** 2 / 15, rel=1e-9)  # 4 sides of sqrt(2), 2 diagonals of 2
    assert found[Metric.CDNV] == pytest.approx(5 * 0.3**2 / 12, rel=1e-9)


def test_unc3_is_the_unbiased_variance_of_the_angles_of_the_rows() -> None:
    angles = np.array([0.1, 0.5, 1.0, 2.0])
    weight = np.hstack([np.cos(angles)[:, None] * SQUARE, np.sin(angles)[:, None]]) * np.array(
        [[1.0], [2.0], [3.0], [4.0]]
    )
    features, labels = spread(SQUARE, [0.0] * 4)
    assert kin_of(features, labels, weight)[Metric.UNC3] == pytest.approx(np.var(np.cos(angles), ddof=1), rel=1e-9)


def test_nc5_is_zero_where_foreign_features_are_orthogonal() -> None:
    means = means_at(np.eye(3, 4))
    assert nc5(means, np.array([0.0, 0.0, 0.0, 2.0])) == 0.0
    assert nc5(means, np.array([1.0, 1.0, 1.0, 0.0])) == pytest.approx(1 / math.sqrt(3), rel=1e-12)
    assert math.isnan(nc5(means, np.zeros(4)))


@examples(40)
@given(seed=SEEDS, rotation=SEEDS, scale=st.floats(1e-3, 1e3), weight_scale=st.floats(1e-3, 1e3))
def test_rotation_scale_shift_and_order_change_nothing(
    seed: int, rotation: int, scale: float, weight_scale: float
) -> None:
    features, labels, weight, _bias = clouds(seed, [7, 4, 0, 12, 5], 6)
    q, order = orthogonal(6, rotation), np.random.default_rng(seed).permutation(len(labels))
    moved = kin_of((scale * (features - 3.0) @ q)[order], labels[order], weight_scale * weight @ q)
    for metric, value in kin_of(features, labels, weight).items():
        assert moved[metric] == pytest.approx(value, rel=1e-7, abs=1e-13), metric


@examples(20)
@given(seed=SEEDS, rotation=SEEDS, scale=st.floats(1e-3, 1e3))
def test_nc5_ignores_rotation_and_scale_but_not_shift(seed: int, rotation: int, scale: float) -> None:
    features, labels, weight, _bias = clouds(seed, [7, 4, 0, 12], 6)
    q, foreign = orthogonal(6, rotation), weight[0]
    found = nc5(class_means([(features, labels)], 4), foreign)
    moved = nc5(class_means([(scale * features @ q, labels)], 4), foreign @ q)
    assert moved == pytest.approx(found, rel=1e-9)
    shifted = nc5(class_means([(features + 50.0 * foreign, labels)], 4), foreign)
    assert found < shifted and shifted > 0.9


def test_absent_classes_are_left_out() -> None:
    features, labels, weight, _bias = clouds(8, [5, 6, 4], 5)
    gaps = np.array([0, 2, 5])  # of six classes three are absent
    wide = np.full((6, 5), np.nan)
    wide[gaps] = weight
    found = kin_of(features, gaps[labels], wide)
    for metric, value in kin_of(features, labels, weight).items():
        assert found[metric] == pytest.approx(value, rel=1e-12), metric
    foreign = np.ones(5)
    with_gaps, without = class_means([(features, gaps[labels])], 6), class_means([(features, labels)], 3)
    assert nc5(with_gaps, foreign) == pytest.approx(nc5(without, foreign), rel=1e-12)


def test_what_few_classes_do_not_define_is_nan() -> None:
    features, labels, weight, _bias = clouds(8, [5, 0, 0], 4)
    assert all(math.isnan(value) for value in kin_of(features, labels, weight).values())
    features, labels, weight, _bias = clouds(8, [5, 0, 6], 4)
    assert [math.isnan(value) for value in kin_of(features, labels, weight).values()] == [False, False, True, False]


def test_coinciding_means_have_no_ratio_of_distances() -> None:
    features, labels = spread(np.array([[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]]), [0.5] * 3)
    found = kin_of(features, labels, np.ones((3, 3)))
    assert math.isnan(found[Metric.CDNV]) and math.isnan(found[Metric.GNC2])
    assert found[Metric.NC1_TRACE] > 0


def test_measure_returns_what_it_always_did() -> None:
    features, labels, weight, bias = clouds(3, [7, 4, 12, 5], d=6)
    assert list(measure(features, labels, weight, bias, 4)) == [str(metric) for metric in MEASURED]
    assert not set(MEASURED) & {*KIN, Metric.NC5}
