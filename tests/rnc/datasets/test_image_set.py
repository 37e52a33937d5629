"""Pixels are exactly byte / levels; choices are balanced, sorted and nested; a fingerprint tells any two sets apart."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnc.datasets import ImageSet

LABELS = st.integers(1, 5).flatmap(lambda c: st.tuples(st.just(c), st.lists(st.integers(0, c - 1), max_size=60)))


def image_set(labels: list[int], levels: int = 255) -> ImageSet:
    images = np.random.default_rng(0).integers(levels + 1, size=(len(labels), 2, 3, 3), dtype=np.uint8)
    return ImageSet(torch.from_numpy(images), torch.tensor(labels, dtype=torch.int64), levels)


@pytest.mark.parametrize("levels", [16, 255])
def test_a_pixel_is_the_float_nearest_to_byte_over_levels(levels: int) -> None:
    every = torch.arange(levels + 1, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    pixels = ImageSet(every, torch.zeros(levels + 1, dtype=torch.int64), levels).pixels()
    expected = np.arange(levels + 1, dtype=np.float32) / np.float32(levels)
    assert pixels.dtype == torch.float32 and pixels.shape == (levels + 1, 1, 1, 1)
    assert np.array_equal(pixels.flatten().numpy(), expected)
    assert float(pixels.min()) == 0.0 and float(pixels.max()) == 1.0


def test_pixels_of_some_are_those_of_all() -> None:
    found, some = image_set([0, 1, 2, 3, 4]), torch.tensor([4, 1, 1])
    assert torch.equal(found.pixels(some), found.pixels()[some])
    assert torch.equal(found.take(some).pixels(), found.pixels()[some])
    assert found.take(some).labels.tolist() == [4, 1, 1] and len(found.take(some)) == 3


def test_taking_keeps_the_levels() -> None:
    found = image_set([0, 1], levels=16)
    assert found.take(torch.tensor([0])).levels == 16
    assert found.to(torch.device("meta")).levels == 16


@given(LABELS, st.integers(0, 80), st.integers(0, 80))
def test_a_choice_is_sorted_balanced_and_nested(drawn: tuple[int, list[int]], one: int, other: int) -> None:
    num_classes, labels = drawn
    found, counts = image_set(labels), [labels.count(c) for c in set(labels)]
    small, large = (found.balanced_indices(size, num_classes).tolist() for size in sorted((one, other)))
    assert set(small) <= set(large)
    for chosen, size in ((small, min(one, other)), (large, max(one, other))):
        assert chosen == sorted(set(chosen)) and all(0 <= index < len(labels) for index in chosen)
        each = [[labels[index] for index in chosen].count(c) for c in set(labels)]
        assert each == [min([max(size // num_classes, 1), *counts])] * len(each)
        assert len(chosen) <= max(size, num_classes)


def test_a_choice_is_not_the_first_samples() -> None:
    """Files may come sorted by anything, so that the first ones of each class may be alike."""
    found = image_set([index % 10 for index in range(1000)])
    assert found.balanced_indices(100, 10).max() > 900


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda s: ImageSet(s.images.flip(0), s.labels, s.levels), id="order of images"),
        pytest.param(lambda s: ImageSet(s.images, s.labels.flip(0), s.levels), id="order of labels"),
        pytest.param(lambda s: ImageSet(s.images, s.labels, 16), id="levels"),
        pytest.param(lambda s: ImageSet(s.images.reshape(-1, 1, 6, 3), s.labels, s.levels), id="shape"),
        pytest.param(lambda s: ImageSet(s.images ^ torch.eye(3, dtype=torch.uint8), s.labels, s.levels), id="a bit"),
    ],
)
def test_a_fingerprint_changes_with_anything(other) -> None:
    found = image_set([0, 1, 2])
    assert other(found).fingerprint() != found.fingerprint()


def test_a_fingerprint_is_that_of_the_bytes_however_they_lie_in_memory() -> None:
    found = image_set([0, 1, 2])
    content = repr((tuple(found.images.shape), 255)).encode() + bytes(found.images.flatten().tolist())
    content += np.array([0, 1, 2], "<i8").tobytes()
    assert found.fingerprint() == hashlib.sha256(content).hexdigest()[:16]
    strided = found.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert not strided.is_contiguous()
    assert ImageSet(strided, found.labels).fingerprint() == found.fingerprint()
