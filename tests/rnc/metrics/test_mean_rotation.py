"""Angles and distances between two conditions' class means: exact where known, the arccosine's where it is exact."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import ClassMeans, class_means, compare_class_means
from rnc.metrics.mean_rotation import angles_in_radians
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, clouds, simplex


def means_at(points: Floats) -> ClassMeans:
    """One sample a class, at the given points (C, d)."""
    return class_means([(points, np.arange(len(points)))], len(points))


def planar(angle: float, d: int) -> Floats:
    """A rotation of the first two axes."""
    q = np.eye(d)
    q[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return q


@examples(40)
@given(seed=st.integers(0, 10_000), d=st.integers(2, 6), num_classes=st.integers(2, 5))
def test_agrees_with_arccos(seed: int, d: int, num_classes: int) -> None:
    a, y, _w, _b = clouds(seed, [3] * num_classes, d)
    b = clouds(seed + 1, [3] * num_classes, d)[0]
    found = compare_class_means(class_means([(a, y)], num_classes), class_means([(b, y)], num_classes))
    ours, theirs = oracle.means_of(a, y, num_classes), oracle.means_of(b, y, num_classes)
    our_centred, their_centred = oracle.centred_of(ours), oracle.centred_of(theirs)
    for c in range(num_classes):
        assert float(found.angle[c]) == pytest.approx(oracle.angle(our_centred[c], their_centred[c]), abs=1e-6)
        assert float(found.angle_uncentred[c]) == pytest.approx(oracle.angle(ours[c], theirs[c]), abs=1e-6)
        assert float(found.distance[c]) == pytest.approx(math.dist(our_centred[c], their_centred[c]), rel=1e-9)
        assert float(found.distance_uncentred[c]) == pytest.approx(math.dist(ours[c], theirs[c]), rel=1e-9)
    middle, other = oracle.global_mean_of(ours), oracle.global_mean_of(theirs)
    assert found.global_mean_angle == pytest.approx(oracle.angle(middle, other), abs=1e-6)
    assert found.global_mean_distance == pytest.approx(math.dist(middle, other), rel=1e-9)


def test_identical_means_have_no_angle_and_no_distance() -> None:
    features, labels, _w, _b = clouds(1, [4, 5, 6], 7)
    means = class_means([(features, labels)], 3)
    found = compare_class_means(means, class_means([(features, labels)], 3))
    for values in (found.angle, found.angle_uncentred, found.distance, found.distance_uncentred):
        assert float(values.abs().max()) <= 1e-12
    assert found.global_mean_angle <= 1e-12 and found.global_mean_distance <= 1e-12


@pytest.mark.parametrize("angle", [1e-9, 1e-4, 0.3, math.pi / 2, 3.0, math.pi])
def test_a_planar_rotation_turns_every_class_by_its_angle(angle: float) -> None:
    points = np.array([[1.0, 0.0], [-0.5, math.sqrt(3) / 2], [-0.5, -math.sqrt(3) / 2]])
    found = compare_class_means(means_at(points), means_at(points @ planar(angle, 2).T))
    np.testing.assert_allclose(found.angle.numpy(), angle, rtol=1e-6)
    np.testing.assert_allclose(found.distance.numpy(), 2 * math.sin(angle / 2), rtol=1e-6)


def test_scaling_moves_without_turning() -> None:
    points = simplex(4, 6, radius=2.0)
    found = compare_class_means(means_at(points), means_at(3.0 * points))
    assert float(found.angle.max()) <= 1e-12
    np.testing.assert_allclose(found.distance.numpy(), 4.0, rtol=1e-12)


def test_a_common_shift_turns_only_what_is_not_centred() -> None:
    points = simplex(3, 3) + np.array([1.0, 2.0, 3.0])
    shift = np.array([3.0, -1.0, 0.5])
    found = compare_class_means(means_at(points), means_at(points + shift))
    assert float(found.angle.max()) <= 1e-12 and float(found.distance.max()) <= 1e-12
    np.testing.assert_allclose(found.distance_uncentred.numpy(), np.linalg.norm(shift), rtol=1e-12)
    assert float(found.angle_uncentred.min()) > 0.1
    assert found.global_mean_distance == pytest.approx(float(np.linalg.norm(shift)), rel=1e-12)


def test_absent_classes_are_nan_and_left_out_of_the_summary() -> None:
    features, labels, _w, _b = clouds(2, [4, 0, 6, 3], 5)
    first = class_means([(features, labels)], 4)
    second = class_means([(features[labels != 3], labels[labels != 3])], 4)
    found = compare_class_means(first, second)
    for values in (found.angle, found.angle_uncentred, found.distance, found.distance_uncentred):
        assert values.isnan().tolist() == [False, True, False, True]
    summary = found.averages_over_classes()
    assert summary[Metric.ANGLE_UNCENTRED] == pytest.approx(0.0, abs=1e-12)
    assert summary[Metric.DISTANCE] == pytest.approx(float(found.distance[[0, 2]].mean()))
    assert summary[Metric.GLOBAL_MEAN_DISTANCE] == found.global_mean_distance > 0


def test_a_zero_row_has_no_angle() -> None:
    found = angles_in_radians(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 5.0]]))
    assert found[0].isnan() and float(found[1]) == pytest.approx(math.pi / 2)


def test_means_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        compare_class_means(means_at(np.eye(3)), means_at(np.eye(4)))
