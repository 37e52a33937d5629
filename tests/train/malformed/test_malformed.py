"""Whatever is wrong with a checkpoint or an image, the command says so in a line; nothing runs, nothing is written."""

from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch

from rnc import event_log
from rnc.store.writer import StoreWriter
from tests.train.malformed import checkpoints, images
from tests.train.malformed.checkpoints import OWNED
from tests.train.malformed.network import MODEL, state, write_images
from train.measure import main

CHECKPOINTS, IMAGES = list(checkpoints.cases()), list(images.cases())
TURNS = cycle((True, False))
CHANGES: list[tuple[str, list[str]]] = [
    ("unknown model 'resnet19'", ["--model", "resnet19"]),
    ("no classifier 'resnet19'", ["--model", "torchvision:resnet19"]),
    ("no classifier 'retinanet_resnet50_fpn'", ["--model", "torchvision:retinanet_resnet50_fpn"]),
    ("cannot be built (ModuleNotFoundError", ["--model", "not_there:make"]),
    ("cannot be built (AttributeError", ["--model", "tests.train.malformed.network:none"]),
    ("returns bytes, not a torch.nn.Module", ["--model", "tests.train.malformed.network:picture"]),
    ("'2' is not a linear layer", ["--classifier", "2"]),
    ("not those of 1: the network must end in that layer", ["--classifier", "1"]),
    ("stage 'layer9'", ["--stages", "layer9"]),
    ("does not accept images of shape (3, 16, 16)", ["--image-size", "16"]),
    ("does not accept images of shape (1, 8, 8)", ["--channels", "1"]),
    ("have 1 or 3 channels", ["--channels", "2"]),
    ("must be 1 to 4096 pixels wide", ["--image-size", "-3"]),
    ("must be 1 to 4096 pixels wide", ["--image-size", "100000"]),
    ("std must be greater than 0", ["--std", "0"]),
    ("mean must be one finite number", ["--mean", "0.5", "0.5"]),
    ("mean must be one finite number", ["--mean", "nan"]),
    ("is not named after a class of", ["--classes", "ant", "bee", "elk"]),
    ("occurs twice", ["--classes", "ant", "bee", "bee"]),
    ("needs its own epoch", ["--epochs", "1", "2"]),
    ("needs its own epoch", ["--epochs", "-1"]),
    ("name must consist of at most 80 letters", ["--name", "../x"]),
    ("measure_subset must be 0 (all images) or at least 3, one image", ["--measure-subset", "2"]),
    ("ood_dataset must be another data set", ["--ood-dataset", "cifar10"]),
    ("epochs [5] are outside 0..1", ["--vector-epochs", "5"]),
    ("unknown device", ["--device", "tpu9"]),
    ("threads must be", ["--threads", "-1"]),
    ("width applies only to built-in networks", ["--width", "0.5"]),
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good weights and good images."""
    folder = tmp_path_factory.mktemp("good")
    torch.save(state(), folder / "weights.pth")
    write_images(folder / "images")
    return folder


@pytest.fixture(scope="module")
def kept_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that must not change."""
    path = tmp_path_factory.mktemp("kept") / "rnc.duckdb"
    StoreWriter(path).prepare()
    return path


@pytest.fixture
def refused(
    kept_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run the command, on a store and on none by turns; it must refuse in one line, which is given back."""
    owned, new = tmp_path / "owned", tmp_path / "new" / "rnc.duckdb"
    monkeypatch.setenv(OWNED, str(owned))
    monkeypatch.setenv("RNC_CACHE", str(tmp_path / "cache"))
    content, beside = kept_store.read_bytes(), sorted(kept_store.parent.iterdir())
    event_log.set_up(
        None
    )  # (what a thread of an earlier test still logs would be a warning here: that test's folder is gone)

    def run(checkpoint: Path, data: Path, *more: str) -> str:
        given = ["--checkpoint", str(checkpoint), "--data", str(data), "--model", MODEL, "--threads", "1", *more]
        capsys.readouterr()
        assert main([*given, "--store", str(kept_store if next(TURNS) else new)]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if "image/s]" not in line and line]
        assert len(said) == 1 and said[0].startswith("error: ") and 20 < len(said[0]) < 2000, said
        assert kept_store.read_bytes() == content and sorted(kept_store.parent.iterdir()) == beside
        assert not new.parent.exists() and not owned.exists()
        return said[0]

    return run


def test_there_are_enough() -> None:
    names = [name for name, _write in (*CHECKPOINTS, *IMAGES)]
    assert len(names) >= 350


@pytest.mark.parametrize("write", [w for _n, w in CHECKPOINTS], ids=[n for n, _w in CHECKPOINTS])
def test_a_bad_checkpoint(
    write: Callable[[Path], Any], good: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = tmp_path / "bad"
    write(path)
    assert f"checkpoint {path}" in refused(path, good / "images")


@pytest.mark.parametrize("write", [w for _n, w in IMAGES], ids=[n for n, _w in IMAGES])
def test_bad_images(write: Callable[[Path], Any], good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "bad"
    write(path)
    said = refused(good / "weights.pth", path)
    assert str(path) in said or "check that both have the same classes and sizes" in said


@pytest.mark.parametrize(("message", "more"), CHANGES, ids=[" ".join(more) for _message, more in CHANGES])
def test_a_wrong_request(message: str, more: list[str], good: Path, refused: Callable[..., str]) -> None:
    assert message in refused(good / "weights.pth", good / "images", *more)
