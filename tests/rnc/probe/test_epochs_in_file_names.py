"""Epochs come from the words that people use in names, else from the one number that differs; what is unclear is asked for."""

from pathlib import Path

import pytest
import torch

from rnc.probe.epochs_in_file_names import files_by_epoch
from rnc.probe.given_checkpoints import checkpoint_files
from tests.train.malformed.network import small

ONE = [
    ("wide34_epoch100.pt", 100, "'epoch'"),
    ("imagenette160_resnet18_epoch90.pth", 90, "'epoch'"),
    ("resnet18_lr1e-3_epoch50.pt", 50, "'epoch'"),
    ("preactresnet18_rate0.1_epoch200.pth", 200, "'epoch'"),
    ("epoch=9-step=3910.ckpt", 9, "'epoch'"),
    ("checkpoint.pth.tar", 1, "contains no epoch"),
    ("checkpoint_12.pth.tar", 12, "'checkpoint'"),
    ("Epoch_007.PT", 7, "'epoch'"),
    ("vgg16-EP-30.bin", 30, "'ep'"),
    ("iter_40000.pth", 40000, "'iter'"),
    ("model.step=1200.pt", 1200, "'step'"),
    ("cifar10_wide34_200epochs.pt", 200, "before 'epochs'"),
    ("net_e10.pt", 10, "'e'"),
    ("resnet18.pth", 1, "contains no epoch"),
    ("wide34.pt", 1, "contains no epoch"),
    ("resnet18_lr1e-3.pt", 1, "contains no epoch"),
    ("deep10_shape20.pt", 1, "contains no epoch"),
]
MANY = [
    (["r18-3.pt", "r18-20.pt"], [3, 20], "differs"),
    (["resnet18_epoch10.pt", "resnet18_epoch9.pt"], [9, 10], "'epoch'"),
    (["epoch=0-step=10.ckpt", "epoch=1-step=20.ckpt"], [0, 1], "'epoch'"),
    (["epoch=0-step=10.ckpt", "epoch=0-step=20.ckpt"], [10, 20], "'step'"),
    (["run1_lr0.1_00100.pt", "run1_lr0.1_00200.pt"], [100, 200], "differs"),
    (["net_2024-01-31.pt", "net_2023-12-01.pt"], [20231201, 20240131], "differs"),
    (["20240131.pt", "20240201.pt"], [20240131, 20240201], "differs"),
    (["checkpoint-500/model.safetensors", "checkpoint-1000/model.safetensors"], [500, 1000], "'checkpoint'"),
]
UNCLEAR = [
    (["a.pt", "b.pt"], ()),
    (["a1.pt", "b1.pt"], ()),
    (["a.pt"], (1, 2)),
    (["a.pt", "b.pt"], (1, 1)),
    (["a.pt", "b.pt"], (1, -1)),
    (["a.pt"], (10**12,)),
    (["s1_10.pt", "s2_20.pt"], ()),
    (["model_1.pt", "model_2.pt", "ema_1.pt", "ema_2.pt"], ()),
    (["ep1.pt", "best.pt"], ()),
    (["x1_2.pt", "x1_2_ep3_ep4.pt"], ()),
]


@pytest.mark.parametrize(("name", "epoch", "told"), ONE)
def test_the_epoch_of_one_file(name: str, epoch: int, told: str) -> None:
    files, how = files_by_epoch([Path(name)], ())
    assert files == [(epoch, Path(name))] and told in how


@pytest.mark.parametrize(("names", "epochs", "told"), MANY)
def test_the_epochs_of_several_files(names: list[str], epochs: list[int], told: str) -> None:
    files, how = files_by_epoch([Path(name) for name in names], ())
    assert [epoch for epoch, _path in files] == epochs and told in how


def test_given_epochs_win() -> None:
    files, how = files_by_epoch([Path("epoch1.pt"), Path("epoch2.pt")], (5, 4))
    assert files == [(4, Path("epoch2.pt")), (5, Path("epoch1.pt"))] and "--epochs" in how


@pytest.mark.parametrize(("names", "given"), UNCLEAR)
def test_unclear_epochs_are_asked_for(names: list[str], given: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs its own epoch.*--epochs 0 10 20") as caught:
        files_by_epoch([Path(name) for name in names], given)
    assert names[0] in str(caught.value)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A folder as training programs leave it."""
    for epoch in (1, 2):
        optimiser = torch.optim.SGD([weight := torch.nn.Parameter(torch.ones(2, 2))], 0.1, momentum=0.9)
        weight.sum().backward()
        optimiser.step()
        torch.save(small().state_dict(), tmp_path / f"model_{epoch}.pth")
        torch.save(optimiser.state_dict(), tmp_path / f"opt_{epoch}.pth")
    torch.save(small().state_dict(), tmp_path / "model_best.pth")
    torch.save({"python": (3, (1, 2), None), "epoch": 2}, tmp_path / "rng_state.pth")
    (tmp_path / "log.txt").write_text("loss 0.1")
    (tmp_path / "samples").mkdir()
    return tmp_path


def test_files_without_weights_or_epochs_are_skipped_by_name(left: Path) -> None:
    files, told = checkpoint_files((left,), skip_files_without_epoch=True)
    assert [path.name for path in files] == ["model_1.pth", "model_2.pth"]
    assert [epoch for epoch, _path in files_by_epoch(files, ())[0]] == [1, 2]
    assert any("model_best.pth" in line and "epoch" in line for line in told)
    assert any(all(f"{name}.pth" in line for name in ("opt_1", "opt_2", "rng_state")) for line in told)
    assert any("log.txt" in line and "samples" in line for line in told)


def test_a_file_that_is_named_is_never_skipped(left: Path) -> None:
    given = tuple(sorted(left.glob("*.pth")))
    assert checkpoint_files(given, skip_files_without_epoch=True) == (list(given), [])
    with pytest.raises(ValueError, match=r"model_best\.pth"):
        files_by_epoch(given, ())


def test_a_folder_of_folders_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-500").mkdir()
    with pytest.raises(ValueError, match=r"checkpoint-500.*name the files"):
        checkpoint_files((tmp_path,), skip_files_without_epoch=True)


def test_given_epochs_are_of_all_files_with_weights(left: Path) -> None:
    files, told = checkpoint_files((left,), skip_files_without_epoch=False)
    assert [path.name for path in files] == ["model_1.pth", "model_2.pth", "model_best.pth"]
    assert not any("model_best" in line for line in told)
