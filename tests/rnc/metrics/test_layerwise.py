"""NC1 and nearest centre of every stage: the formulas, however samples are cut, shared and chunked, in bounded memory."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.metrics import class_means, layer_means, layerwise, measure, row_chunks_and_precision
from rnc.vocabulary import Metric
from tests.examples import examples
from tests.oracles import collapse_oracle as oracle
from tests.oracles.samples import Floats, Ints, clouds
from tests.rnc.metrics import related_oracle
from tests.rnc.metrics.simulated_ranks import Reduce, together

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = {"pixels": (1, 2, 2), "block": (3, 2, 1), "features": (5,)}
Activations = dict[str, Floats]
Found = dict[str, dict[Metric, float]]


def network(seed: int, counts: list[int]) -> tuple[Activations, Ints]:
    """Activations (N, ...) of three stages of different shapes, and their labels."""
    labels = clouds(seed, counts, 1)[1]
    stages = {}
    for depth, (name, shape) in enumerate(SHAPES.items()):
        rng = np.random.default_rng([seed, depth])
        centres = 2.0 * rng.normal(size=(len(counts), *shape)) + 1.0
        stages[name] = centres[labels] + rng.normal(size=(len(labels), *shape))
    return stages, labels


def passes(
    stages: Activations, labels: Ints, cuts: list[int] | None = None, dtype: torch.dtype = torch.float64
) -> Callable:
    """Begin a pass over the samples, cut into batches; a stage is there only while it is asked for."""

    def begin() -> Iterator[tuple[Iterator[tuple[str, torch.Tensor]], torch.Tensor]]:
        for part in np.split(np.arange(len(labels)), sorted(cuts or [])):
            yield (
                ((name, torch.from_numpy(a[part]).to(dtype)) for name, a in stages.items()),
                torch.from_numpy(labels[part]),
            )

    return begin


def found_in(
    stages: Activations, labels: Ints, clean: Activations, num_classes: int, cuts: list[int] | None = None
) -> Found:
    """Return the metrics measured of `stages`, nearest centres being those of `clean`."""
    batches = passes(stages, labels, cuts)
    centres = layer_means(passes(clean, labels), num_classes)
    return layerwise(batches, layer_means(batches, num_classes), centres)


def assert_same(found: Found, expected: Found, rel: float) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].keys() == values.keys() == {Metric.NC1, Metric.NCC_ACCURACY}
        for metric, value in values.items():
            assert found[name][metric] == pytest.approx(value, rel=rel), (name, metric)


@examples(30)
@given(
    seed=SEEDS,
    counts=st.lists(st.sampled_from([0, 1, 3, 6]), min_size=2, max_size=5).filter(lambda c: sum(map(bool, c)) > 1),
    cuts=st.lists(st.integers(0, 20), max_size=4),
)
def test_agrees_with_the_formulas(seed: int, counts: list[int], cuts: list[int]) -> None:
    clean, labels = network(seed, counts)
    perturbed = {name: a + 0.8 * np.random.default_rng(seed + 1).normal(size=a.shape) for name, a in clean.items()}
    expected = {}
    for name, activations in perturbed.items():
        flat, centres = activations.reshape(len(labels), -1), clean[name].reshape(len(labels), -1)
        expected[name] = {
            Metric.NC1: oracle.nc1(flat, labels, len(counts)),
            Metric.NCC_ACCURACY: related_oracle.nearest_share(
                flat, labels, oracle.means_of(centres, labels, len(counts))
            ),
        }
    assert_same(found_in(perturbed, labels, clean, len(counts), cuts), expected, rel=1e-6)


def test_the_last_stage_is_what_measure_says() -> None:
    stages, labels = network(2, [6, 9, 4])
    features = stages["features"]
    whole = measure(features, labels, np.ones((3, 5)), np.zeros(3), 3)
    found = found_in(stages, labels, stages, 3)["features"]
    assert found[Metric.NC1] == pytest.approx(whole["nc1"], rel=1e-12)
    assert found[Metric.NCC_ACCURACY] == whole["ncc_accuracy"]


def test_layer_means_are_class_means_of_flat_activations() -> None:
    stages, labels = network(2, [6, 0, 4])
    found = layer_means(passes(stages, labels, [3, 7]), 3)
    assert list(found) == list(SHAPES)
    for name, means in found.items():
        expected = class_means([(stages[name].reshape(len(labels), -1), labels)], 3)
        assert means.means.dtype == torch.float64 and means.counts.tolist() == [6, 0, 4]
        np.testing.assert_allclose(means.means.numpy(), expected.means.numpy(), rtol=1e-12)


@examples(20)
@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_order_scale_and_shift_change_nothing(seed: int, scale: float) -> None:
    stages, labels = network(seed, [6, 0, 9, 4])
    order = np.random.default_rng(seed).permutation(len(labels))
    moved = {name: scale * (a[order] - 2.0) for name, a in stages.items()}
    expected = found_in(stages, labels, stages, 4)
    assert_same(found_in(moved, labels[order], moved, 4), expected, rel=1e-8)


@pytest.mark.parametrize("chunk", [1, 7, 40])
def test_chunks_change_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stages, labels = network(4, [6, 0, 9, 4])
    expected = found_in(stages, labels, stages, 4)
    monkeypatch.setattr(row_chunks_and_precision, "_CHUNK", {"cpu": chunk})
    monkeypatch.setattr(row_chunks_and_precision, "_LEAST_ROWS", 1)
    assert_same(found_in(stages, labels, stages, 4, [8]), expected, rel=1e-12)


def test_a_collapsed_stage_is_zero_and_a_pixel_that_says_nothing_is_guessed() -> None:
    labels = np.tile(np.arange(4), 5)
    stages = {"pixels": np.random.default_rng(0).normal(size=(20, 1, 3, 3)), "features": 3.0 * np.eye(4)[labels] + 1.0}
    found = found_in(stages, labels, stages, 4)
    assert found["features"] == {Metric.NC1: pytest.approx(0.0, abs=1e-20), Metric.NCC_ACCURACY: 1.0}
    assert found["pixels"][Metric.NC1] > 0.1 and found["pixels"][Metric.NCC_ACCURACY] < 1.0


def test_float32_activations_are_measured_to_their_own_precision() -> None:
    stages, labels = network(5, [60, 90])
    rounded = {name: a.astype(np.float32).astype(np.float64) for name, a in stages.items()}
    batches = passes(stages, labels, [50], torch.float32)
    means = layer_means(batches, 2)
    assert_same(layerwise(batches, means, means), found_in(rounded, labels, rounded, 2), rel=1e-6)


@pytest.mark.parametrize("shares", [[7, 12], [0, 19], [18, 1]])
def test_ranks_together_find_what_one_process_does(shares: list[int]) -> None:
    """Also where a rank has an empty batch, or misses a class."""
    stages, labels = network(6, [6, 0, 9, 4])
    clean, _labels = network(7, [6, 0, 9, 4])
    parts = np.split(np.arange(len(labels)), np.cumsum(shares)[:-1])

    def work(rank: int, reduce: Reduce) -> Found:
        mine = parts[rank]
        batches = passes({name: a[mine] for name, a in stages.items()}, labels[mine], [3])
        reference = passes({name: a[mine] for name, a in clean.items()}, labels[mine])
        return layerwise(batches, layer_means(batches, 4, reduce), layer_means(reference, 4, reduce), reduce)

    for found in together(2, work):
        assert_same(found, found_in(stages, labels, clean, 4), rel=1e-9)


def test_what_cannot_be_measured_is_refused() -> None:
    stages, labels = network(2, [6, 9, 4])
    means = layer_means(passes(stages, labels), 3)
    with pytest.raises(ValueError, match="no samples"):
        layer_means(lambda: iter([]), 3)
    with pytest.raises(ValueError, match="no samples"):
        layer_means(passes({name: a[:0] for name, a in stages.items()}, labels[:0]), 3)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.1; got 0\.\.2"):
        layer_means(passes(stages, labels), 2)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2; got -1"):
        layerwise(passes(stages, labels - 1), means, means)
    stages["block"][3] = np.inf
    with pytest.raises(ValueError, match="infinite"):
        layer_means(passes(stages, labels), 3)
    with pytest.raises(ValueError, match="infinite"):
        layerwise(passes(stages, labels), means, means)


_MEASURE = """
import sys, torch
from rnc.metrics import layer_means, layerwise

def peak():
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024

samples, batch = map(int, sys.argv[1:])
base = torch.randn(batch, 65_536, generator=torch.Generator().manual_seed(0))
labels = torch.arange(batch) % 10
base += labels[:, None]

def batches():
    for index in range(samples // batch):
        yield iter([("stage", base * (1 + index / 100))]), labels

before = peak()
means = layer_means(batches, 10)
layerwise(batches, means, means)
print(peak() - before)
"""


def extra_memory(samples: int, batch: int) -> float:
    """MiB beyond a first batch, in a process of its own."""
    command = [sys.executable, "-c", _MEASURE, str(samples), str(batch)]
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {
        "MALLOC_MMAP_THRESHOLD_": "1048576"
    }  # what is freed goes back at once, and runs compare
    found = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    return float(found.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_samples() -> None:
    few, many = extra_memory(400, 100), extra_memory(1200, 100)
    assert abs(many - few) < 50  # the images alone are 200 MiB more
    assert few < 250  # a batch, a few float64 chunks and class statistics; a d x d matrix would be 32 GiB


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_no_copy_is_made_of_a_large_batch() -> None:
    batch_mib = 1500 * 65_536 * 4 / 2**20
    assert (
        extra_memory(1500, 1500) < batch_mib + 250
    )  # the batch itself, which is made on the fly; a float32 copy would be 375
