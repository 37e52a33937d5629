"""`measure` equals the paper's formulas, is 0 at a simplex, and ignores order, rotation and the names of classes."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import class_means, classifier_metrics, collapse, measure, scatter_around
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints, clouds, orthogonal, simplex

KEYS = {
    "nc1",
    "nc2_equinorm",
    "nc2_equiangularity",
    "nc2_equinorm_w",
    "nc2_equiangularity_w",
    "nc3",
    "nc4",
    "accuracy",
    "loss",
    "ncc_accuracy",
}
SEEDS = st.integers(0, 2**32 - 1)


COUNTS = st.lists(st.sampled_from([0, 1, 2, 3, 5, 9]), min_size=2, max_size=6).filter(lambda c: sum(map(bool, c)) > 1)
"""Samples per class: unbalanced, some classes absent, at least two present."""


def assert_same(found: dict[str, float], expected: dict[str, float], rel: float = 1e-6) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=rel, abs=1e-12), name


def example(seed: int = 3) -> tuple[Floats, Ints, Floats, Floats]:
    return clouds(seed, [7, 4, 12, 5], d=6)


@examples(120)
@given(seed=SEEDS, counts=COUNTS, d=st.integers(1, 9), as_torch=st.booleans())
def test_measure_agrees_with_the_formulas(seed: int, counts: list[int], d: int, as_torch: bool) -> None:
    features, labels, weight, bias = clouds(seed, counts, d)
    expected = oracle.measure(features, labels, weight, bias, len(counts))
    if as_torch:
        tensors = [torch.from_numpy(x) for x in (features, labels, weight, bias)]
        assert_same(measure(*tensors, len(counts)), expected)
    else:
        assert_same(measure(features, labels, weight, bias, len(counts)), expected)


@examples(40)
@given(seed=SEEDS, counts=COUNTS.filter(lambda c: sum(map(bool, c)) > 2), d=st.integers(2, 6))
def test_cosine_spread_agrees_with_the_formula(seed: int, counts: list[int], d: int) -> None:
    features, labels, weight, _bias = clouds(seed, counts, d)
    means = class_means([(features, labels)], len(counts))
    found = collapse(means, scatter_around([(features, labels)], means), weight)
    by_class = oracle.means_of(features, labels, len(counts))
    spread = oracle.cosine_std(list(oracle.centred_of(by_class).values()))
    assert found[Metric.NC2_COS_STD] == pytest.approx(spread, rel=1e-6)
    assert found[Metric.NC2_COS_STD_W] == pytest.approx(oracle.cosine_std([weight[c] for c in by_class]), rel=1e-6)
    assert found[Metric.CLASSES_PRESENT] == len(by_class)


@pytest.mark.parametrize(("num_classes", "d"), [(2, 2), (3, 3), (4, 9), (10, 16)])
def test_an_exact_simplex_is_collapsed(num_classes: int, d: int) -> None:
    vertices = simplex(num_classes, d, radius=2.5, seed=num_classes)
    labels = np.tile(np.arange(num_classes), 6)
    weight = 4.0 * vertices
    found = measure(vertices[labels], labels, weight, np.zeros(num_classes), num_classes)
    for name in ("nc1", "nc2_equinorm", "nc2_equiangularity", "nc2_equinorm_w", "nc2_equiangularity_w", "nc3", "nc4"):
        assert found[name] == pytest.approx(0.0, abs=1e-9), name
    assert found["accuracy"] == found["ncc_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("num_classes", "d", "radius", "sd"), [(3, 3, 1.0, 0.3), (5, 12, 2.0, 0.5), (10, 20, 3.0, 1.0)]
)
def test_noise_around_a_simplex_gives_the_known_nc1(num_classes: int, d: int, radius: float, sd: float) -> None:
    each = 4000
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(num_classes), each)
    features = simplex(num_classes, d, radius)[labels] + sd * rng.normal(size=(len(labels), d)) + 5.0
    found = measure(features, labels, np.eye(num_classes, d), np.zeros(num_classes), num_classes)
    assert found["nc1"] == pytest.approx(sd**2 * (num_classes - 1) ** 2 / (num_classes * radius**2), rel=0.03)


@examples(30)
@given(seed=SEEDS, rotation=SEEDS)
def test_rotating_features_and_weight_changes_nothing(seed: int, rotation: int) -> None:
    features, labels, weight, bias = example(seed)
    q = orthogonal(6, rotation)
    assert_same(
        measure(features @ q, labels, weight @ q, bias, 4), measure(features, labels, weight, bias, 4), rel=1e-9
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[1::5])
def test_renaming_classes_changes_nothing(order: tuple[int, ...]) -> None:
    features, labels, weight, bias = example()
    old = np.argsort(order)  # class c becomes order[c]
    renamed = measure(features, np.array(order)[labels], weight[old], bias[old], 4)
    assert_same(renamed, measure(features, labels, weight, bias, 4), rel=1e-9)


@examples(30)
@given(seed=SEEDS)
def test_shuffling_samples_changes_nothing(seed: int) -> None:
    features, labels, weight, bias = example()
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = measure(features[order], labels[order], weight, bias, 4)
    assert_same(shuffled, measure(features, labels, weight, bias, 4), rel=1e-9)


@examples(30)
@given(cuts=st.lists(st.integers(0, 28), max_size=6))
def test_splitting_into_batches_changes_nothing(cuts: list[int]) -> None:
    features, labels, weight, bias = example()
    parts = list(zip(np.split(features, sorted(cuts)), np.split(labels, sorted(cuts)), strict=True))
    means = class_means(parts, 4)
    scatter = scatter_around(parts, means)
    found = collapse(means, scatter, weight)
    found |= classifier_metrics(labels, features @ weight.T + bias, scatter.nearest)
    whole = measure(features, labels, weight, bias, 4)
    assert_same({name: found[Metric(name)] for name in whole}, whole, rel=1e-9)


def test_a_constant_added_to_all_features_leaves_the_geometry() -> None:
    features, labels, weight, bias = example()
    moved = measure(features + 100.0, labels, weight, bias - weight.sum(1) * 100.0, 4)
    assert_same(moved, measure(features, labels, weight, bias, 4), rel=1e-7)


def test_measure_returns_ten_plain_floats() -> None:
    found = measure(*example(), 4)
    assert found.keys() == KEYS
    assert all(type(name) is str and type(value) is float for name, value in found.items())


def test_measure_leaves_its_inputs_alone_and_takes_float32_that_requires_grad() -> None:
    features, labels, weight, bias = example()
    w = torch.tensor(weight, dtype=torch.float32, requires_grad=True)
    h, before = torch.tensor(features, dtype=torch.float32), features.astype(np.float32)
    found = measure(h, torch.from_numpy(labels), w, torch.from_numpy(bias), 4)
    assert_same(found, measure(features, labels, weight, bias, 4), rel=1e-4)
    assert w.grad is None and h.dtype == torch.float32
    np.testing.assert_array_equal(h.numpy(), before)


def test_what_one_class_does_not_define_is_nan() -> None:
    features, _labels, weight, bias = example()
    found = measure(features, np.full(len(features), 2), weight, bias, 4)
    for name in ("nc1", "nc2_equinorm", "nc2_equiangularity", "nc2_equinorm_w", "nc2_equiangularity_w", "nc3"):
        assert math.isnan(found[name]), name
    assert found["ncc_accuracy"] == 1.0 and 0 <= found["accuracy"] <= 1


def test_errors_say_what_is_wrong() -> None:
    features, labels, weight, bias = example()
    broken = features.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="no samples"):
        measure(features[:0], labels[:0], weight, bias, 4)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.3; got .*4"):
        measure(features, labels + 1, weight, bias, 4)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.3; got -1"):
        measure(features, labels - 1, weight, bias, 4)
    with pytest.raises(ValueError, match="NaN"):
        measure(broken, labels, weight, bias, 4)
    with pytest.raises(ValueError, match=r"weight must be \(C, d\)"):
        measure(features, labels, weight[:, :-1], bias, 4)
    with pytest.raises(ValueError, match=r"bias \(C,\)"):
        measure(features, labels, weight, bias[:-1], 4)
    with pytest.raises(ValueError, match=r"features must be \(N, d\) and labels \(N,\)"):
        measure(features, labels[:-1], weight, bias, 4)
    with pytest.raises(ValueError, match=r"features must be \(N, d\)"):
        measure(features[None], labels, weight, bias, 4)
