"""Data sets, splits and classes are found under every name that they go by, and under no other."""

from pathlib import Path

import pytest
from torchvision.datasets import FashionMNIST, Imagenette

from rnc import datasets
from rnc.datasets import folder_names
from rnc.vocabulary import Split


@pytest.mark.parametrize("name", datasets.names())
def test_each_class_has_its_own_label(name: str) -> None:
    spec = datasets.spec(name)
    for written in (str, str.upper, lambda text: text.replace(" ", "_"), lambda text: text.replace("_", " ")):
        assert [folder_names.label_of(spec, written(c)) for c in spec.classes] == list(range(spec.num_classes))


def test_imagenette_goes_by_wordnet_ids() -> None:
    spec = datasets.spec("imagenette")
    for wnid, names in Imagenette._WNID_TO_CLASS.items():
        assert spec.classes[folder_names.label_of(spec, wnid)] == names[0]
    assert folder_names.label_of(datasets.spec("cifar10"), "n01440764") is None


def test_fashion_mnist_goes_by_torchvisions_and_the_hubs_names() -> None:
    spec = datasets.spec("fashion_mnist")
    assert tuple(FashionMNIST.classes) == spec.classes
    assert folder_names.label_of(spec, "T - shirt / top") == 0 and folder_names.label_of(spec, "Ankle boot") == 9


def test_the_hub_spells_cifar100s_crab_its_own_way() -> None:
    spec = datasets.spec("cifar100")
    assert spec.classes[folder_names.label_of(spec, "cra")] == "crab"
    assert folder_names.label_of(datasets.spec("cifar10"), "cra") is None


@pytest.mark.parametrize("written", ["", "cat ", "dogs", "0"])
def test_other_names_are_no_class(written: str) -> None:
    assert folder_names.label_of(datasets.spec("cifar10"), written) == (3 if written == "cat " else None)


def test_the_root_is_the_one_given_then_the_environments_then_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNC_DATA", "/from/environment")
    assert folder_names.data_root("/given") == Path("/given")
    assert folder_names.data_root() == Path("/from/environment")
    for unset in ("", None):
        monkeypatch.delenv("RNC_DATA") if unset is None else monkeypatch.setenv("RNC_DATA", unset)
        assert folder_names.data_root() == Path("data/images")


def test_every_data_set_has_a_folder_of_its_name_and_splits_do_not_overlap() -> None:
    for name in datasets.names():
        assert folder_names.candidate_folders(datasets.spec(name), Path("root"))[0] == Path("root") / name
    assert not set(folder_names.split_names(Split.TRAIN)) & set(folder_names.split_names(Split.TEST))
