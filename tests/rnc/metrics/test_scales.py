"""No metric knows the scale of the features: any finite float32 is measured, and NaN is named wherever it is."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnc.metrics import (
    class_means,
    classifier_metrics,
    collapse,
    compare_class_means,
    cross,
    layer_means,
    layerwise,
    leaps_by_class_pair,
    measure,
    nc5,
    nearest_centre,
    scatter_around,
)
from rnc.metrics.row_chunks_and_precision import power_of_two_rescaling_factor
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import clouds
from tests.rnc.metrics import related_oracle

COUNTS = [7, 4, 0, 9, 5]
CLASSES = len(COUNTS)
EXPONENTS = st.integers(-120, 120)
LENGTHS = {Metric.DISTANCE, Metric.DISTANCE_UNCENTRED, Metric.GLOBAL_MEAN_DISTANCE}


def cloud(seed: int, exponent: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Float32 features (N, 6) times 2^exponent, each an exact multiple of 2^(exponent - 6), labels (N,), weights (C, 6)."""
    features, labels, weight, _bias = clouds(seed, COUNTS, 6)
    rounded = torch.tensor(np.round(features * 64) / 64 * 2.0**exponent).float()
    return rounded, torch.from_numpy(labels), torch.from_numpy(weight)


def every_metric(seed: int, exponent: int) -> dict[str, float]:
    """All that is measured of features without their scale, by name."""
    h, y, w = cloud(seed, exponent)
    other = h.flip(0)
    means, moved = class_means([(h, y)], CLASSES), class_means([(other, y)], CLASSES)
    scatter, unit = scatter_around([(h, y)], means), 2.0**exponent
    assert scatter.nearest.tolist() == nearest_centre(h, means).tolist()
    found = {
        **collapse(means, scatter, w),
        **{f"cross {name}": value for name, value in cross(other, y, means).items()},
    }
    found |= {
        name: value / (unit if name in LENGTHS else 1)
        for name, value in compare_class_means(means, moved).averages_over_classes().items()
    }
    found |= {"total": scatter.total / unit**2, "nc5": nc5(means, other.double().mean(0))}
    found |= {
        f"leap {i}": float(angle)
        for i, angle in enumerate(leaps_by_class_pair(h, y, y.roll(1), means).angles.flatten())
    }
    found |= {
        f"measured {name}": value for name, value in measure(h, y, w.float(), None, CLASSES).items() if name != "loss"
    }
    stages: Callable = lambda: iter([(iter([("stage", h.view(-1, 2, 3))]), y)])  # noqa: E731
    centres = layer_means(stages, CLASSES)
    return found | {f"stage {name}": value for name, value in layerwise(stages, centres, centres)["stage"].items()}


@examples(40)
@given(seed=st.integers(0, 1000), exponent=EXPONENTS)
@example(seed=0, exponent=-83)
@example(seed=0, exponent=64)
def test_no_metric_knows_the_scale(seed: int, exponent: int) -> None:
    found, expected = every_metric(seed, exponent), every_metric(seed, 0)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-300, nan_ok=True), name


@pytest.mark.parametrize("scale", [1e-40, 1e-25, 1.0, 1e19, 1e37])
def test_the_values_are_those_of_the_formulas_at_any_scale(scale: float) -> None:
    features, labels, weight, _bias = clouds(3, COUNTS, 6)
    single = (features * scale).astype(np.float32)
    whole = single.astype(np.float64) / scale
    means = class_means([(single, labels)], CLASSES)
    found = collapse(means, scatter_around([(single, labels)], means), weight)
    assert found[Metric.NC1] == pytest.approx(oracle.nc1(whole, labels, CLASSES), rel=1e-5)
    assert found[Metric.CDNV] == pytest.approx(related_oracle.cdnv(whole, labels, CLASSES), rel=1e-5)
    by_class = oracle.means_of(whole, labels, CLASSES)
    assert found[Metric.NC1_TRACE] == pytest.approx(related_oracle.nc1_trace(whole, labels, by_class), rel=1e-5)
    assert nearest_centre(single, means).tolist() == [oracle.nearest_centre(h, by_class) for h in whole]


@pytest.mark.parametrize("scale", [1e-38, 1.0, 1e38])
def test_the_largest_features_are_measured_with_their_weights(scale: float) -> None:
    """Of 512 products of 1e38, float32 has no sum; of products of 1e-38 it has no digits."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 10)
    features = (rng.uniform(1, 2, (4, 512))[labels] + rng.normal(size=(40, 512)) * 0.1).astype(np.float32)
    weight = (rng.normal(size=(4, 512)) * 0.1).astype(np.float32)
    scaled = (features * np.float64(scale)).astype(np.float32)
    found, expected = (measure(h, labels, weight, np.zeros(4), 4) for h in (scaled, features))
    for name in expected.keys() - {"loss"}:
        assert found[name] == pytest.approx(expected[name], rel=1e-4), name
    assert math.isfinite(found["loss"])


def test_other_samples_may_be_far_larger_than_the_means() -> None:
    h, y, _w = cloud(0)
    means = class_means([(h, y)], CLASSES)
    found = scatter_around([(h * 2.0**100, y)], means)
    assert found.total == pytest.approx(float((h.double() * 2.0**100).square().sum(1).mean()), rel=1e-5)


def test_the_means_may_be_far_larger_than_the_samples() -> None:
    """The squared distances, about 1e50, exceed float32."""
    h, y, _w = cloud(5)
    means = class_means([(h.double() * 1e25, y)], CLASSES)
    expected = (h.double() - means.means[y]).square().sum(1)
    scatter = scatter_around([(h, y)], means)
    assert scatter.total == pytest.approx(float(expected.mean()), rel=1e-5)


def test_features_of_zero_have_no_scale() -> None:
    assert power_of_two_rescaling_factor(torch.zeros(3, 2)).tolist() == [1.0]
    assert power_of_two_rescaling_factor(torch.zeros(0, 2)).tolist() == [1.0]
    assert power_of_two_rescaling_factor(torch.tensor([[3.0, -5.0]]), torch.tensor([[0.1]])).tolist() == [0.125]
    assert power_of_two_rescaling_factor(torch.tensor([1e-45])).tolist() == [2.0**126]
    assert power_of_two_rescaling_factor(torch.tensor([3e38])).tolist() == [2.0**-126]


def test_half_precision_is_scaled_in_float32() -> None:
    h, y, w = cloud(0)
    half = (h * 1000).half()
    means = class_means([(half, y)], CLASSES)
    found = collapse(means, scatter_around([(half, y)], means), w)
    single = class_means([(half.float(), y)], CLASSES)
    assert found == pytest.approx(collapse(single, scatter_around([(half.float(), y)], single), w), rel=1e-12)


def test_a_bias_left_out_is_zero() -> None:
    h, y, w = cloud(1)
    assert measure(h, y, w, None, CLASSES) == pytest.approx(measure(h, y, w, torch.zeros(CLASSES), CLASSES))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("what", ["features", "weights", "biases"])
def test_what_is_no_number_is_named(what: str, wrong: float) -> None:
    h, y, w = cloud(2)
    given_ = {"features": h, "weights": w, "biases": torch.zeros(CLASSES)}
    given_[what].view(-1)[3] = wrong
    with pytest.raises(ValueError, match=f"^{what} hold NaN or infinite values"):
        measure(given_["features"], y, given_["weights"], given_["biases"], CLASSES)


def test_what_is_no_number_is_named_in_every_part() -> None:
    h, y, w = cloud(2)
    means = class_means([(h, y)], CLASSES)
    scatter, broken = scatter_around([(h, y)], means), h.clone()
    broken[3, 2] = math.nan
    with pytest.raises(ValueError, match=r"^features hold NaN"):
        nearest_centre(broken, means)
    with pytest.raises(ValueError, match=r"^features hold NaN"):
        leaps_by_class_pair(broken, y, y, means)
    with pytest.raises(ValueError, match=r"^features of the other data set hold NaN"):
        nc5(means, broken.mean(0))
    with pytest.raises(ValueError, match=r"^weights hold NaN"):
        collapse(means, scatter, w.index_fill(0, torch.tensor([1]), math.nan))
    with pytest.raises(ValueError, match=r"^logits hold NaN"):
        classifier_metrics(y, broken[:, :CLASSES], scatter.nearest)
