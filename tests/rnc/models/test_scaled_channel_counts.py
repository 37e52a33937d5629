"""Channel counts follow the width, a width that is no factor is refused everywhere, and 64 px is where large begins."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from rnc.models.scaled_channel_counts import channels, is_large
from tests.examples import examples

CIFAR10 = datasets.spec("cifar10")
BASES = st.integers(1, 2048)
FACTORS = st.floats(1e-9, 16.0)


def sized(height: int, width: int, colours: int = 3) -> DatasetSpec:
    """A data set of three classes with images (colours, height, width)."""
    return DatasetSpec("made", tuple("abc"), (colours, height, width), (0.5,) * colours, (0.25,) * colours)


@given(BASES, FACTORS)
@example(1, 1e-9)
@example(64, 1 / 256)
def test_channels_are_rounded_and_at_least_one(base: int, width: float) -> None:
    found = channels(base, width)
    assert isinstance(found, int) and found >= 1
    assert found == 1 or abs(found - base * width) <= 0.5


@given(BASES, FACTORS, FACTORS)
def test_a_wider_network_is_nowhere_narrower(base: int, one: float, other: float) -> None:
    assert channels(base, min(one, other)) <= channels(base, max(one, other))


@given(BASES)
def test_width_one_is_the_full_network(base: int) -> None:
    assert channels(base, 1.0) == channels(base, 1) == base


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("width", [0, -1, -0.25, math.nan, math.inf, -math.inf])
def test_a_width_that_is_no_factor_is_refused(name: str, width: float) -> None:
    with pytest.raises(ValueError, match=r"width must be a finite number > 0, got .*; 1 is the full network"):
        models.build(name, CIFAR10, width)


@pytest.mark.parametrize("name", models.names())
def test_the_width_reaches_every_layer(name: str) -> None:
    """Parameters that join two layers shrink with the square of the width, the others with the width itself."""
    full, half = (dict(models.build(name, CIFAR10, width).named_parameters()) for width in (1.0, 0.5))
    assert full.keys() == half.keys()
    for key, parameter in full.items():
        expected = [n if n in (CIFAR10.image_shape[0], CIFAR10.num_classes) else n // 2 for n in parameter.shape[:2]]
        assert list(half[key].shape) == expected + list(parameter.shape[2:]), key


@pytest.mark.parametrize("name", models.names())
def test_the_default_width_is_the_full_network(name: str) -> None:
    with torch.device("meta"):
        unasked, full = (models.build(name, CIFAR10, *width).state_dict() for width in ((), (1.0,)))
    assert {key: x.shape for key, x in unasked.items()} == {key: x.shape for key, x in full.items()}


@pytest.mark.parametrize(
    ("height", "width", "large"),
    [
        (28, 28, False),
        (32, 32, False),
        (63, 63, False),
        (160, 63, False),
        (63, 160, False),
        (64, 64, True),
        (160, 64, True),
    ],
)
def test_the_shorter_side_says_whether_images_are_large(height: int, width: int, large: bool) -> None:
    assert is_large(sized(height, width)) is large


@pytest.mark.parametrize("name", models.names())
@examples(15)
@given(st.integers(16, 80), st.integers(16, 80), st.sampled_from([1, 3]))
@example(16, 16, 3)
@example(64, 64, 1)
@example(16, 80, 3)
def test_images_of_any_shape_from_16_px_fit(name: str, height: int, width: int, colours: int) -> None:
    net = models.build(name, sized(height, width, colours), 1 / 64)
    assert net(torch.rand(2, colours, height, width)).shape == (2, 3)
