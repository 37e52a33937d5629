"""A stream is measured to the precision of its features, in bounded memory, and never makes a GPU wait."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from rnc.metrics import class_means, cross, measure, nearest_centre, scatter_around
from rnc.metrics.means_by_class import MeanSums
from rnc.metrics.row_chunks_and_precision import Shift, row_slices
from rnc.metrics.scatter_around_means import ScatterSums
from tests.examples import examples
from tests.oracles.samples import clouds

_ASKS_THE_DEVICE = {
    "aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::bincount", "aten::equal", "aten::is_nonzero",
    "aten::masked_select", "aten::unique_dim", "aten::_unique2", "aten::repeat_interleave.Tensor",
}  # fmt: skip
"""Operations that make the host wait for a GPU: the result's value or size decides what happens next."""


class NoWaiting(TorchDispatchMode):
    """Fails where an operation would make a GPU wait. Indexing by booleans is `nonzero` by another name."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        booleans = func._schema.name == "aten::index" and any(i is not None and i.dtype == torch.bool for i in args[1])
        assert func._schema.name not in _ASKS_THE_DEVICE and not booleans, f"{func._schema.name} waits for the device"
        return func(*args, **(kwargs or {}))


def scene(seed: int = 3, counts: tuple[int, ...] = (40, 0, 25, 30), d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    features, labels, _w, _b = clouds(seed, list(counts), d)
    return torch.from_numpy(features).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("counts", [(40, 0, 25, 30), (5, 6, 7, 8)])
def test_nothing_in_a_stream_waits_for_the_device(counts: tuple[int, ...]) -> None:
    features, labels = scene(counts=counts)
    sums, scatter = MeanSums(4), ScatterSums(class_means([(features, labels)], 4), nearest=True)
    scatter.add(features, labels)  # (the first batch prepares the means, once a pass)
    with NoWaiting():
        sums.add(features, labels)
        scatter.add(features, labels)
    with pytest.raises(AssertionError, match="waits for the device"), NoWaiting():
        features[labels > 1]


@examples(40)
@given(seed=st.integers(0, 10_000), far=st.sampled_from([0.0, 1.0, 1e3, 3e4]))
def test_float32_features_far_from_the_origin_keep_their_residuals(seed: int, far: float) -> None:
    """Against the same numbers in float64: a mean rounded to float32 would cost up to 1e-3 of the scatter here."""
    base, labels, _w, _b = clouds(seed, [9, 4, 7], 5)
    features, around = (torch.from_numpy(base + far + shift).float() for shift in (0.7, 0.0))
    single = cross(features, labels, class_means([(around, labels)], 3))
    double = cross(features.double(), labels, class_means([(around.double(), labels)], 3))
    for metric, value in double.items():
        assert single[metric] == pytest.approx(value, rel=2e-6), metric


@examples(40)
@given(seed=st.integers(0, 10_000), dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_lower_precision_differs_by_the_rounding_of_the_features_alone(seed: int, dtype: torch.dtype) -> None:
    base, labels, weight, bias = clouds(seed, [9, 4, 7], 5)
    features = torch.from_numpy(base).to(dtype)
    rounded = measure(features.double(), labels, weight, bias, 3)
    for metric, value in measure(features, labels, weight, bias, 3).items():
        assert value == pytest.approx(rounded[metric], rel=1e-5, abs=1e-6), metric


@examples(60)
@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(0, 5), min_size=2, max_size=6).filter(lambda c: sum(c) > 0),
    d=st.integers(1, 6),
    foreign=st.booleans(),
)
def test_the_scatter_finds_the_nearest_means_with_no_product_of_its_own(
    seed: int, counts: list[int], d: int, foreign: bool
) -> None:
    """Also of samples whose class has no mean, and where the means span fewer than C - 1 directions."""
    features, labels, _w, _b = clouds(seed, counts, d)
    means = class_means([(features, labels)], len(counts))
    samples = features + np.random.default_rng(seed).normal(size=features.shape)
    classes = np.random.default_rng(seed).integers(len(counts), size=len(labels)) if foreign else labels
    found = scatter_around([(samples, classes)], means).nearest
    assert found.tolist() == nearest_centre(samples, means).tolist()


def test_a_wide_row_is_taken_with_others_and_a_narrow_one_with_many() -> None:
    for d, rows in ((512, 512), (65_536, 32), (1, 2**18)):
        slices = list(row_slices(torch.empty(1, d).expand(2 * rows + 1, d)))
        assert [(part.start, part.stop) for part in slices] == [
            (0, rows), (rows, 2 * rows), (2 * rows, 3 * rows),
        ]  # fmt: skip


def test_memory_does_not_grow_with_the_samples() -> None:
    features, labels = torch.randn(4_000, 512), torch.arange(4_000) % 10
    means = class_means([(features, labels)], 10)

    def largest(act: Callable[[], object]) -> int:
        found = 0

        class Sizes(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                nonlocal found
                out = func(*args, **(kwargs or {}))
                for tensor in out if isinstance(out, tuple | list) else [out]:
                    views = func.is_view or func._schema.is_mutable
                    if isinstance(tensor, torch.Tensor) and not views:
                        found = max(found, tensor.numel() * tensor.element_size())
                return out

        with Sizes():
            act()
        return found

    for act in (
        lambda n: class_means([(features[:n], labels[:n])], 10),
        lambda n: scatter_around([(features[:n], labels[:n])], means),
        lambda n: nearest_centre(features[:n], means),
    ):
        assert largest(lambda act=act: act(4_000)) == largest(lambda act=act: act(1_000)) < 3 * 2**20  # type: ignore[misc]


def test_a_shift_reuses_its_space() -> None:
    shift = Shift(torch.eye(3, dtype=torch.float64), torch.float32, torch.ones(1, dtype=torch.float64))
    first = shift(torch.ones(5, 3), torch.tensor([0, 1, 2, 0, 1]))
    assert first.tolist()[0] == [0.0, 1.0, 1.0]
    assert shift(torch.ones(4, 3), torch.tensor([2, 2, 2, 2])).data_ptr() == first.data_ptr()
