"""Angles between stored vectors, against loops and at a simplex."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnc.class_mean_geometry import (
    SimplexSpan,
    centre,
    cosine_matrix,
    distances_from_simplex_by_measure,
    simplex_cosine,
    singular_values_over_rms,
)
from tests.examples import examples
from tests.oracles import collapse_oracle, samples


def test_centred_means_sum_to_zero_and_the_given_ones_stay() -> None:
    means = np.array([[1.0, 2.0], [3.0, 5.0], [8.0, 2.0]])
    before = means.copy()
    assert centre(means).tolist() == [[-3.0, -1.0], [-1.0, 2.0], [4.0, -1.0]]
    assert np.array_equal(means, before)


@examples(50)
@given(seed=st.integers(0, 10_000), num_classes=st.integers(1, 6), d=st.integers(1, 5))
def test_cosines_agree_with_the_loops(seed: int, num_classes: int, d: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(num_classes, d))
    found = cosine_matrix(vectors)
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            expected = sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt((a**2).sum() * (b**2).sum())
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_a_simplex_has_the_simplex_cosine(num_classes: int) -> None:
    vertices = samples.simplex(num_classes, num_classes + 2, radius=3.0) + 7.0
    found = cosine_matrix(centre(vertices))
    expected = np.where(np.eye(num_classes, dtype=bool), 1.0, simplex_cosine(num_classes))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_a_zero_vector_has_no_angle() -> None:
    found = cosine_matrix(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert found[0, 0] == 1.0 and np.isnan(found[1]).all() and np.isnan(found[:, 1]).all()


@pytest.mark.parametrize(("num_classes", "cosine"), [(2, -1.0), (3, -0.5), (11, -0.1)])
def test_simplex_cosines(num_classes: int, cosine: float) -> None:
    assert simplex_cosine(num_classes) == cosine


@pytest.mark.parametrize("num_classes", [1, 0, -3])
def test_fewer_than_two_classes_are_no_simplex(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"at least two classes, got {num_classes}"):
        simplex_cosine(num_classes)


def test_cosines_of_two_sets() -> None:
    found = cosine_matrix(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 1.0], [0.0, -1.0]]))
    assert found == pytest.approx(np.array([[1, math.sqrt(0.5), 0], [0, math.sqrt(0.5), -1]]))


@pytest.mark.parametrize("num_classes", [3, 10])
def test_the_spectrum_of_a_simplex_is_flat(num_classes: int) -> None:
    found = singular_values_over_rms(samples.simplex(num_classes, num_classes + 3, radius=2.5) + 1.0)
    assert found == pytest.approx(np.ones(num_classes - 1))


def test_the_spectrum_of_means_on_a_line_is_one_value() -> None:
    found = singular_values_over_rms(np.outer(np.arange(4.0), np.ones(5)))
    assert found == pytest.approx([math.sqrt(3), 0, 0], abs=1e-7)


def gram_distance(means: np.ndarray) -> float:
    """The distance of normalised Gram matrices, entry by entry."""
    count = len(means)
    centred = [mean - sum(means) / count for mean in means]
    gram = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in centred] for a in centred]
    size = math.sqrt(sum(entry**2 for row in gram for entry in row))
    total = 0.0
    for i in range(count):
        for j in range(count):
            vertex = ((1.0 if i == j else 0.0) - 1 / count) / math.sqrt(count - 1)
            total += (gram[i][j] / size - vertex) ** 2
    return math.sqrt(total)


@examples(50)
@given(seed=st.integers(0, 10_000), num_classes=st.integers(2, 6), d=st.integers(2, 5))
def test_distances_to_the_simplex_agree_with_the_loops(seed: int, num_classes: int, d: int) -> None:
    means = np.random.default_rng(seed).normal(size=(2, num_classes, d)) + 3.0
    found = distances_from_simplex_by_measure(means)
    for place, one in enumerate(means):
        centred = one - one.mean(axis=0)
        assert found["gram"][place] == pytest.approx(gram_distance(one), abs=1e-9)
        assert found["cosines"][place] == pytest.approx(collapse_oracle.equiangularity(centred), abs=1e-9)
        assert found["equinorm"][place] == pytest.approx(collapse_oracle.equinorm(centred), abs=1e-9)


@examples(30)
@given(seed=st.integers(0, 10_000), num_classes=st.integers(2, 8), radius=st.floats(1e-3, 1e3))
def test_a_simplex_of_any_size_anywhere_has_no_distance_and_others_have(
    seed: int, num_classes: int, radius: float
) -> None:
    vertices = samples.simplex(num_classes, num_classes + 2, radius, seed) + radius
    assert [float(value) for value in distances_from_simplex_by_measure(vertices).values()] == pytest.approx(
        [0, 0, 0], abs=1e-6
    )
    moved = vertices.copy()
    moved[0] += 0.5 * (vertices[0] - vertices.mean(axis=0)) + 0.2 * radius * np.eye(num_classes + 2)[0]
    assert num_classes == 2 or distances_from_simplex_by_measure(moved)["gram"] > 1e-3


def test_means_on_a_line_are_far_from_a_simplex() -> None:
    found = distances_from_simplex_by_measure(np.outer([-1.0, 1.0, 0.0, 0.0], np.ones(3)))
    assert found["gram"] == pytest.approx(math.sqrt(2 - 2 / math.sqrt(3)))  # (<E, G/||G||> = 1/sqrt(C-1))
    assert np.isnan(found["cosines"]) and np.isnan(distances_from_simplex_by_measure(np.ones((3, 2)))["gram"])
    with pytest.raises(ValueError, match="at least two classes"):
        distances_from_simplex_by_measure(np.ones((1, 3)))


@examples(50)
@given(seed=st.integers(0, 10_000), d=st.integers(2, 6))
def test_the_plane_keeps_distances_between_its_vertices(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    vertices, others = rng.normal(size=(3, d)), rng.normal(size=(20, d))
    plane = SimplexSpan(vertices)
    flat = plane.project(vertices)
    for i in range(3):
        for j in range(3):
            expected = np.linalg.norm(vertices[i] - vertices[j])
            assert np.linalg.norm(flat[i] - flat[j]) == pytest.approx(expected, abs=1e-9)
    assert flat.mean(axis=0) == pytest.approx(np.zeros(2), abs=1e-9)
    assert flat[1, 0] > flat[0, 0] and flat[1, 1] == pytest.approx(flat[0, 1], abs=1e-9) and flat[2, 1] > flat[0, 1]
    gaps = np.linalg.norm(others[:, None] - others[None], axis=2)
    seen = plane.project(others)
    assert (np.linalg.norm(seen[:, None] - seen[None], axis=2) <= gaps + 1e-9).all()


@pytest.mark.parametrize("along", [(0.0, 1.0, 3.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_means_on_a_line_span_no_plane(along: tuple[float, ...], width: int) -> None:
    on_a_line = np.outer(along, np.arange(1, width + 1))
    rounded = (on_a_line / 3).astype(np.float32) + 1e-8 * np.eye(3, width)
    for vertices in (on_a_line, rounded):
        with pytest.raises(ValueError, match="lie on a line"):
            SimplexSpan(vertices)


def test_means_that_are_not_finite_span_no_plane() -> None:
    with pytest.raises(ValueError, match="not finite"):
        SimplexSpan(np.array([[0.0, 1.0], [1.0, 0.0], [np.nan, 1.0]]))
