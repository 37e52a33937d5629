"""Decisions, losses and nearest centres: many samples, labels of any integer type, products out of the range of float32."""

import math

import numpy as np
import pytest
import torch

from rnc.metrics import (
    class_means,
    classifier_metrics,
    layer_means,
    layerwise,
    measure,
    nearest_centre,
    row_chunks_and_precision,
)
from rnc.vocabulary import Metric
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import clouds


def loss_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross entropy in nats, in float64."""
    largest = logits.max(1, keepdims=True)
    log_sums = np.log(np.exp(logits - largest).sum(1)) + largest[:, 0]
    return math.fsum(log_sums - logits[np.arange(len(labels)), labels]) / len(labels)


@pytest.mark.parametrize("labels_of", [np.int64, np.int32, np.int16])
@pytest.mark.parametrize("logits_of", [np.float64, np.float32])
def test_the_loss_is_summed_over_all_chunks_in_float64(
    labels_of: type, logits_of: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_chunks_and_precision, "_CHUNK", {"cpu": 40})
    monkeypatch.setattr(row_chunks_and_precision, "_LEAST_ROWS", 1)
    drawn = np.random.default_rng(0)
    logits, labels = drawn.normal(size=(997, 4)).astype(logits_of), drawn.integers(0, 4, 997).astype(labels_of)
    found = classifier_metrics(labels, logits, torch.from_numpy(labels.astype(np.int64)))
    assert found[Metric.LOSS] == pytest.approx(loss_of(logits.astype(np.float64), labels), rel=1e-13)
    assert found[Metric.NCC_ACCURACY] == 1.0


@pytest.mark.parametrize(("of_features", "of_weights"), [(90, 60), (60, 90), (-90, -60), (-60, -90)])
def test_decisions_survive_products_out_of_the_range_of_float32(of_features: int, of_weights: int) -> None:
    """Powers of two change no decision, whether the products overflow float32 or vanish in it."""
    features, labels, weight, _bias = (torch.from_numpy(x) for x in clouds(1, [7, 4, 9], 5))
    h, w = features.float() * 2.0**of_features, weight.float() * 2.0**of_weights
    found, expected = measure(h, labels, w, None, 3), measure(features.float(), labels, weight.float(), None, 3)
    for name in ("accuracy", "nc4", "ncc_accuracy"):
        assert found[name] == expected[name], name


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_nearest_centres_of_half_precision_are_those_of_their_values(dtype: torch.dtype) -> None:
    """The distances are taken in float32: in half precision itself, centres that lie close together are confused."""
    drawn = np.random.default_rng(2)
    centres = 3 + drawn.normal(size=(20, 16)) / 10
    h = torch.from_numpy(np.repeat(centres, 10, 0) + drawn.normal(size=(200, 16)) / 20).to(dtype)
    means = class_means([(centres, np.arange(20))], 20)
    vertices = dict(enumerate(centres))
    assert nearest_centre(h, means).tolist() == [oracle.nearest_centre(x, vertices) for x in h.double().numpy()]


def test_the_nearest_centre_of_a_sample_far_beyond_all_centres() -> None:
    """The product of sample and centre is out of the range of float32, though each of them is not."""
    centres = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    means = class_means([(centres * 2.0**60, np.arange(3))], 3)
    far = torch.tensor([[0.9, 0.1], [0.1, 0.9], [-0.7, -0.9]]) * 2.0**100
    assert nearest_centre(far, means).tolist() == [0, 1, 2]


def test_a_stage_without_samples_has_no_accuracy() -> None:
    h, y = torch.eye(3), torch.arange(3)
    centres = layer_means(lambda: iter([(iter([("stage", h)]), y)]), 3)
    values = layerwise(lambda: iter([(iter([("stage", h[:0])]), y[:0])]), centres, centres)["stage"]
    assert math.isnan(values[Metric.NCC_ACCURACY])
