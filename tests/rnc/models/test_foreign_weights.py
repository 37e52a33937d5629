"""Weights of others come in under whatever words stand before their names. What is refused: tests/train/malformed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rnc.models.foreign_weights import WeightsError, fill, read


def make(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


SOURCE = make(1)
STATE = SOURCE.state_dict()


def prefixed(prefix: str, state: dict[str, torch.Tensor] = STATE) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


SAVED: dict[str, tuple[Any, list[str]]] = {
    "plain": (STATE, []),
    "state_dict": ({"state_dict": STATE, "epoch": 3}, ["under 'state_dict'"]),
    "with an optimiser": ({"model": STATE, "optimizer": {"lr": 0.1, "state": {}}, "acc": 0.9}, ["under 'model'"]),
    "twice nested": ({"state_dict": {"model": STATE}}, ["under 'state_dict'", "under 'model'"]),
    "DataParallel": (prefixed("module."), ["'module.'"]),
    "compiled": (prefixed("_orig_mod."), ["'_orig_mod.'"]),
    "both": (prefixed("module._orig_mod."), ["'module.'", "'_orig_mod.'"]),
    "Lightning": ({"state_dict": prefixed("model."), "hyper_parameters": {"width": 1}}, ["under 'state_dict'", "'model.'"]),
    "parameters": ({name: nn.Parameter(t) if t.is_floating_point() else t for name, t in STATE.items()}, []),
    "half": ({name: t.half() if t.is_floating_point() else t for name, t in STATE.items()}, []),
    "without counters": ({name: t for name, t in STATE.items() if "num_batches" not in name}, []),
}  # fmt: skip
WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "torch": lambda value, path: torch.save(value, path),
    "legacy": lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", SAVED)
def test_the_usual_ways_of_saving(kind: str, writer: str, tmp_path: Path) -> None:
    value, said = SAVED[kind]
    path, net = tmp_path / "w", make(2)
    WRITERS[writer](value, path)
    state, done = read(path)
    done += fill(net, state, path)
    assert len(done) == len(said) and all(word in line for word, line in zip(said, done, strict=True))
    for name, tensor in net.state_dict().items():
        close = {"rtol": 1e-3, "atol": 1e-3} if kind == "half" else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(tensor, STATE[name], **close)


def test_safetensors_come_in_bit_by_bit(tmp_path: Path) -> None:
    path, net = tmp_path / "a.pth", make(2)  # (whatever it is called)
    save_file(prefixed("module."), path)
    state, _done = read(path)
    assert fill(net, state, path) == ["took 'module.' off every name"]
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in net.state_dict().items())


def test_a_word_that_the_module_itself_has_stays(tmp_path: Path) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = make(2)

    net, path = Outer(), tmp_path / "w"
    torch.save(prefixed("model."), path)
    assert fill(net, read(path)[0], path) == []
    assert torch.equal(net.model[3].weight, STATE["3.weight"])


def test_nothing_is_copied_where_one_is_wrong(tmp_path: Path) -> None:
    net, path = make(2), tmp_path / "w"
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.save(STATE | {"3.bias": torch.tensor([0.0, float("nan"), 0.0])}, path)
    with pytest.raises(WeightsError, match=r"3\.bias holds NaN"):
        fill(net, read(path)[0], path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
