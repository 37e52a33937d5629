"""The digits split is balanced, disjoint and always the same; pixels are in [0, 1]; the constants are the data's."""

import hashlib

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from rnc import datasets
from rnc.datasets import digits
from rnc.vocabulary import Split


def fingerprints(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in datasets.load("digits", split).images}


@pytest.mark.parametrize(("split", "each"), [(Split.TRAIN, 140), (Split.TEST, 34)])
def test_a_split_is_balanced_and_in_range(split: Split, each: int) -> None:
    found = datasets.load("digits", split)
    assert found.images.shape == (10 * each, 1, 8, 8) and found.images.dtype == torch.uint8
    assert found.labels.dtype == torch.int64 and len(found) == 10 * each
    assert torch.bincount(found.labels, minlength=10).tolist() == [each] * 10
    assert float(found.pixels().min()) == 0.0 and float(found.pixels().max()) == 1.0


@pytest.mark.parametrize("split", Split)
def test_pixels_are_scikit_learns_divided_by_16(split: Split) -> None:
    """Each image, bit for bit, as the float32 quotient; which ones are chosen is the business of the other tests."""
    bunch = load_digits()
    images = (bunch.images / 16.0).astype(np.float32)
    expected = {image.tobytes(): label for image, label in zip(images, bunch.target, strict=True)}
    found = datasets.load("digits", split)
    assert found.levels == 16 and found.pixels().dtype == torch.float32
    for image, label in zip(found.pixels().numpy(), found.labels.tolist(), strict=True):
        assert expected[image.tobytes()] == label


def test_no_image_is_in_both_splits() -> None:
    train, test = fingerprints(Split.TRAIN), fingerprints(Split.TEST)
    assert len(train) == 1400 and len(test) == 340
    assert not train & test


def test_labels_go_with_their_images() -> None:
    """A nearest-mean rule learnt on train is right on most of test; shuffled labels would make it right on a tenth."""
    train, test = (datasets.load("digits", split) for split in Split)
    means = torch.stack([train.pixels()[train.labels == c].flatten(1).mean(0) for c in range(10)])
    decided = torch.cdist(test.pixels().flatten(1), means).argmin(1)
    assert float((decided == test.labels).float().mean()) > 0.85


EXPECTED = {
    Split.TRAIN: "98b9ad545673b2f5",
    Split.TEST: "b874fc224a09a0e3",
}


@pytest.mark.parametrize("split", Split)
def test_the_split_is_always_the_same(split: Split) -> None:
    first, second = datasets.load("digits", split), datasets.load("digits", split)
    assert torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)
    content = first.images.numpy().tobytes() + first.labels.to(torch.uint8).numpy().tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == EXPECTED[split]


def test_mean_and_std_are_those_of_the_training_images() -> None:
    images = datasets.load("digits", Split.TRAIN).pixels().double()
    spec = datasets.spec("digits")
    assert spec.mean == digits.MEAN and spec.std == digits.STD
    assert float(images.mean()) == pytest.approx(spec.mean[0], abs=5e-5)
    assert float(images.std()) == pytest.approx(spec.std[0], abs=5e-5)


def test_the_spec_describes_the_images() -> None:
    spec = datasets.spec("digits")
    assert spec.name == "digits" and spec.num_classes == 10 and spec.classes == tuple("0123456789")
    assert spec.image_shape == tuple(datasets.load("digits", Split.TEST).images.shape[1:])


def test_a_set_moves_to_a_device() -> None:
    found = datasets.load("digits", Split.TEST).to(torch.device("meta"))
    assert found.images.device.type == found.labels.device.type == "meta"


def test_unknown_data_sets_are_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"unknown dataset 'digit'; there are: .*digits"):
        datasets.spec("digit")
    with pytest.raises(ValueError, match=r"unknown dataset 'digit'; there are: .*digits"):
        datasets.load("digit", Split.TRAIN)
    with pytest.raises(ValueError, match="validation"):
        datasets.load("digits", "validation")  # type: ignore[arg-type]
