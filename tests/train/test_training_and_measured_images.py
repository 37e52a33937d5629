"""The sets of a run: what is trained on, what is measured of it, and the out-of-distribution images."""

from pathlib import Path

import pytest
import torch

from rnc import datasets
from rnc.vocabulary import Split
from tests.synthetic_images import write_dataset
from tests.train.small import small
from train.config import RunConfig
from train.training_and_measured_images import RunData, load_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small CIFAR-10 and CIFAR-100 of random images."""
    root = tmp_path_factory.mktemp("images")
    write_dataset(root, "cifar10", per_class=5)
    write_dataset(root, "cifar100", per_class=2)
    return root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))


def loaded(config: RunConfig, root: Path | None = None) -> RunData:
    return load_data(config, root, CPU)


def test_without_subsets_everything_is_trained_on_and_measured() -> None:
    data, digits = loaded(small()), datasets.load("digits", Split.TRAIN)
    assert torch.equal(data.training.images.images, digits.images) and torch.equal(
        data.training.sample_indices, torch.arange(1400)
    )
    assert torch.equal(data.training.measured, torch.arange(1400))
    for split, size in ((Split.TRAIN, 1400), (Split.TEST, 340)):
        assert len(data.measured[split].images) == len(data.measured[split].sample_indices) == size
        assert len(data.full_sets[split]) == size


def test_a_subset_is_balanced_keeps_its_sample_indices_and_is_what_is_measured() -> None:
    data, digits = loaded(small(subset=300, measure_subset=100)), datasets.load("digits", Split.TRAIN)
    training, measured = data.training, data.measured[Split.TRAIN]
    assert torch.bincount(training.images.labels).tolist() == [30] * 10
    assert torch.equal(training.images.images, digits.images[training.sample_indices]), (
        "a sample index is the position in the data set"
    )
    assert torch.bincount(measured.images.labels).tolist() == [10] * 10
    assert torch.equal(measured.images.images, digits.images[measured.sample_indices])
    assert torch.equal(training.sample_indices[training.measured], measured.sample_indices), (
        "measured is what is trained on"
    )
    assert len(data.measured[Split.TEST].images) == 100 and len(data.full_sets[Split.TEST]) == 340


def test_a_subset_larger_than_the_classes_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"subset must be between 10 and 1400, because it has equally many images of each class; got 1401",
    ):
        loaded(small(subset=1401))


def test_measuring_more_than_there_is_measures_all() -> None:
    assert len(loaded(small(measure_subset=5000)).measured[Split.TEST].images) == 340


def test_ood_images_are_noise_of_the_same_shape_always_the_same() -> None:
    first, second = (loaded(small()).ood_images for _ in range(2))
    assert torch.equal(first.images, second.images) and first.images.shape == (340, 1, 8, 8)
    pixels = first.pixels()
    assert float(pixels.min()) == 0 and float(pixels.max()) == 1 and abs(float(pixels.mean()) - 0.5) < 0.01


def test_ood_images_may_be_another_data_sets(root: Path) -> None:
    config = RunConfig(dataset="cifar10", model="vgg11_bn", width=0.125, ood_dataset="cifar100")
    ood, other = loaded(config, root).ood_images, datasets.load("cifar100", Split.TEST, root)
    known = {image.numpy().tobytes() for image in other.images}
    assert len(ood) == 100 and {image.numpy().tobytes() for image in ood.images} <= known


def test_the_kept_vectors_are_balanced() -> None:
    part = loaded(small(sample_size=50)).measured[Split.TEST]
    assert torch.bincount(part.images.labels[part.stored_positions]).tolist() == [5] * 10
