"""A run goes on from a file that is whole, its own and of its network; from any other it does not, and nothing is lost."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from rnc import datasets, event_log, models
from rnc.models import FeatureClassifier
from rnc.store.errors import StoreError
from tests.train.small import FLAGS, small
from train.resume_file import Progress, ResumeFile, resume_path
from train.run import main

CONFIG = small(epochs=9)
ROW = {
    "run_id": CONFIG.run_id, "epoch": 3, "learning_rate": 0.1, "train_loss": 1.5, "train_seconds": 1, "attack_seconds": 0.0,
    "images_per_second": 5.0, "measure_seconds": 0.0,
}  # fmt: skip
PROGRESS = Progress(3, started=True, seconds=4.5, unwritten=[ROW])


def network(config: Any = CONFIG, seed: int = 1) -> tuple[FeatureClassifier, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = models.build(config.model, datasets.spec(config.dataset), config.width)
    return model, torch.optim.SGD(model.parameters(), 0.1, 0.9)


def state(model: FeatureClassifier, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    momentum = {str(number): kept["momentum_buffer"] for number, kept in optimizer.state_dict()["state"].items()}
    return {name: tensor.clone() for name, tensor in (model.state_dict() | momentum).items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file with momentum in it, and the state that it was written from."""
    model, optimizer = network()
    model(torch.rand(4, *datasets.spec(CONFIG.dataset).image_shape)).sum().backward()
    optimizer.step()
    path = resume_path(tmp_path / "rnc.duckdb", CONFIG.run_id)
    ResumeFile(path, CONFIG).save(model, optimizer, PROGRESS)
    return path, state(model, optimizer)


def changed(path: Path, tensors: Callable[[dict], dict] = dict, **metadata: Any) -> None:
    """Write a file anew with other tensors and metadata, as somebody would who does not know of its checksum."""
    with safe_open(path, framework="pt") as file:
        kept = file.metadata() | metadata
    content = load_file(path)
    save_file(tensors(content), path, metadata={name: value for name, value in kept.items() if value is not None})


def test_what_was_saved_comes_back_bit_for_bit(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, before = saved
    model, optimizer = network(seed=2)
    assert ResumeFile(path, CONFIG).restore(model, optimizer) == PROGRESS
    assert same(state(model, optimizer), before) and PROGRESS.last_stored_epoch == 2


def test_a_file_of_the_version_before_goes_on_and_the_log_says_so(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    """It has no checksum and does not say whose it is."""
    path, before = saved
    changed(path, sha256=None, run_id=None)
    event_log.set_up(path.parents[2] / "rnc.duckdb")
    model, optimizer = network(seed=2)
    assert ResumeFile(path, CONFIG).restore(model, optimizer) == PROGRESS and same(state(model, optimizer), before)
    assert "without a checksum" in (path.parents[2] / "rnc.log").read_text()


def test_any_bit_that_is_wrong_is_noticed(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _before = saved
    whole = path.read_bytes()
    (length,) = (int.from_bytes(whole[:8], "little"),)
    header = whole[8 : 8 + length]
    places = [0, 3, 8, 8 + header.index(b"4.5"), 8 + header.index(b"F32"), 8 + length, len(whole) - 1]
    for place in [*places, *range(8 + length, len(whole), len(whole) // 20)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(path, ".")
    for cut in (0, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        refused(path, ".")
    path.write_bytes(whole + b"x")
    refused(path, ".")


def refused(path: Path, reason: str) -> None:
    """Restoring fails in words, and neither network nor optimiser has changed, nor the file."""
    model, optimizer = network(seed=2)
    before, content = state(model, optimizer), path.read_bytes() if path.is_file() else None
    with pytest.raises(ValueError, match=reason) as error:
        ResumeFile(path, CONFIG).restore(model, optimizer)
    assert "--overwrite" in str(error.value) and "nothing has been changed" in str(error.value)
    assert same(state(model, optimizer), before)
    assert content is None or path.read_bytes() == content


def without(name: str) -> Callable[[dict], dict]:
    return lambda tensors: {key: tensor for key, tensor in tensors.items() if key != name}


def with_another(name: str, tensor: torch.Tensor) -> Callable[[dict], dict]:
    return lambda tensors: tensors | {name: tensor}


NAME = next(iter(network()[0].state_dict()))


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (without(f"model.{NAME}"), "it does not contain model."),
        (with_another("model.more", torch.zeros(1)), "which the network does not have"),
        (with_another("momentum.more", torch.zeros(1)), "which the network does not have"),
        (with_another(f"model.{NAME}", torch.zeros(1)), "of shape"),
        (with_another(f"momentum.{NAME}", torch.zeros(2, 2)), "of shape"),
        (with_another("model.\x1b[31m", torch.zeros(1)), r"'model\.\\x1b"),
        (lambda tensors: {name: tensor.double() for name, tensor in tensors.items()}, "float64"),
    ],
    ids=["missing", "more", "more momentum", "a shape", "a shape of momentum", "a name", "types"],
)
def test_tensors_of_another_network_are_refused(
    saved: tuple[Path, dict[str, torch.Tensor]], tensors: Callable[[dict], dict], reason: str
) -> None:
    """Also in a file without a checksum."""
    changed(saved[0], tensors, sha256=None)
    refused(saved[0], reason)


@pytest.mark.parametrize(
    "progress",
    [
        {"epoch": 10}, {"epoch": -1}, {"epoch": True}, {"epoch": 1e9}, {"epoch": 2}, {"seconds": float("nan")},
        {"seconds": -1}, {"seconds": "1"}, {"started": 1}, {"started": False}, {"unwritten": {}}, {"unwritten": [1]},
        {"unwritten": [ROW | {"epoch": 2}]}, {"unwritten": [ROW | {"run_id": "other"}]}, {"unwritten": [ROW] * 5},
        {"unwritten": [ROW | {"train_loss": "x"}]}, {"unwritten": [ROW | {'x" ) --': 1}]}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_progress_that_makes_no_sense_is_refused(
    saved: tuple[Path, dict[str, torch.Tensor]], progress: dict[str, Any]
) -> None:
    changed(saved[0], sha256=None, progress=json.dumps(vars(PROGRESS) | progress))
    refused(saved[0], ".")


@pytest.mark.parametrize("text", ["", "[]", "{", "1", "null", "[" * 100_000])
def test_a_progress_that_is_none_is_refused(saved: tuple[Path, dict[str, torch.Tensor]], text: str) -> None:
    changed(saved[0], sha256=None, progress=text)
    refused(saved[0], "its progress (cannot be read|is not valid)")


def test_the_file_of_another_run_is_refused(saved: tuple[Path, dict[str, torch.Tensor]]) -> None:
    """The same network, another seed."""
    path, other = saved[0], small(epochs=9, seed=2)
    with pytest.raises(ValueError, match="it belongs to another run"):
        ResumeFile(path, other).restore(*network(other))


@pytest.mark.timeout(30)
def test_what_is_no_plain_file_or_too_large_is_not_read(
    saved: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    path, _before = saved
    path.rename(tmp_path / "kept")
    path.symlink_to(tmp_path / "kept")
    refused(path, "is a link")
    path.unlink()
    os.mkfifo(path)
    refused(path, "a pipe")
    path.unlink()
    with path.open("wb") as huge:
        huge.truncate(2**40)
    with pytest.raises(ValueError, match="at most"):
        ResumeFile(path, CONFIG).restore(*network())


def test_a_folder_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "checkpoints").symlink_to(tmp_path)
    with pytest.raises(StoreError, match="leads out of"):
        resume_path(tmp_path / "data" / "rnc.duckdb", CONFIG.run_id)


def test_the_command_says_what_to_do_and_overwrite_does_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, config = tmp_path / "rnc.duckdb", small(subset=200, measure_subset=50, epsilon_fractions=())
    path = resume_path(store, config.run_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{\x1b[31m}  ")
    flags = [*FLAGS, "--subset", "200", "--measure-subset", "50", "--epsilon-fractions", "--device", "cpu"]
    command = [*flags, "--store", str(store)]
    assert main(command) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ") and "--overwrite" in told and "\x1b" not in told
    assert path.exists() and main([*command, "--overwrite"]) == 0 and not path.exists()
