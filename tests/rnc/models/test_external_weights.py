"""Weights of others come in under whatever words stand before their names. What is refused: tests/train/malformed."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rnc.models.external_weights import WeightsError, copy_weights, read_weights


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
    "both": (prefixed("module._orig_mod."), ["'module._orig_mod.'"]),
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
    state, done = read_weights(path)
    done += copy_weights(net, state, path)
    assert len(done) == len(said) and all(word in line for word, line in zip(said, done, strict=True))
    for name, tensor in net.state_dict().items():
        close = {"rtol": 1e-3, "atol": 1e-3} if kind == "half" else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(tensor, STATE[name], **close)


def test_safetensors_are_read_exactly(tmp_path: Path) -> None:
    path, net = tmp_path / "a.pth", make(2)  # (whatever it is called)
    save_file(prefixed("module."), path)
    state, _done = read_weights(path)
    assert copy_weights(net, state, path) == ["removed 'module.' from every name"]
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in net.state_dict().items())


def test_a_word_that_the_module_itself_has_stays(tmp_path: Path) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = make(2)

    net, path = Outer(), tmp_path / "w"
    torch.save(prefixed("model."), path)
    assert copy_weights(net, read_weights(path)[0], path) == []
    assert torch.equal(net.model[3].weight, STATE["3.weight"])


def test_nothing_is_copied_if_one_tensor_is_invalid(tmp_path: Path) -> None:
    net, path = make(2), tmp_path / "w"
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.save(STATE | {"3.bias": torch.tensor([0.0, float("nan"), 0.0])}, path)
    with pytest.raises(WeightsError, match=r"3\.bias contains NaN"):
        copy_weights(net, read_weights(path)[0], path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


EXTRA = {"criterion.weight": torch.ones(3), "mean": torch.tensor([0.1, 0.2, 0.3]), "std": torch.tensor([0.5])}
OTHER = make(7).state_dict()
FOUND: dict[str, tuple[Any, list[str]]] = {
    **{key: ({key: STATE, "epoch": 3}, [f"under '{key}' (other entries: 'epoch')"]) for key in (
        "net", "weights", "ema", "model_ema", "state_dict_ema", "params")},
    "any other key alone": ({"classifier_weights": STATE, "epoch": 3, "lr": [0.1]}, ["under 'classifier_weights'"]),
    "EMA beside": ({"model_ema": OTHER, "state_dict": STATE}, ["under 'state_dict' (other entries: 'model_ema')"]),
    "AveragedModel": ({"n_averaged": torch.tensor(5), **prefixed("module.")}, ["'module.' from", "an average of 5 networks"]),
    "EMA of DataParallel": (prefixed("ema.module.model."), ["'ema.module.model.' from every name"]),
    "any prefix": (prefixed("backbone_a.b.c."), ["'backbone_a.b.c.' from every name"]),
    "Lightning's with a loss": ({"state_dict": prefixed("model.") | {"criterion.weight": torch.ones(3)}},
                                ["under 'state_dict'", "'model.' from", "'criterion.weight'"]),
    "Lightning's with an average": ({"state_dict": prefixed("model.") | prefixed("ema_model.module.", OTHER)},
                                    ["under 'state_dict'", "'model.' from.*also follow 'ema_model.module.'"]),
    "the same twice": (prefixed("module.model.") | prefixed("module.attacker.model."), ["'module.model.' from"]),
    "mean and std": (STATE | EXTRA,
                     ["'mean' of the file is not used: give --mean 0.1 0.2 0.3", "'std' .*--std 0.5", "'criterion.weight'"]),
    "numbers beside": (STATE | {"epoch": 3, "acc": 0.9}, ["not tensors: 'epoch', 'acc'"]),
    "numpy's numbers": ({"state_dict": STATE, "acc": np.float64(0.9), "epoch": np.int64(3), "loss": np.float32(1)},
                        ["under 'state_dict'"]),
    "a teacher beside": (prefixed("teacher.", OTHER) | prefixed("student."), ["'student.' from"]),
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", FOUND)
def test_used_and_unused_entries_are_reported(kind: str, writer: str, tmp_path: Path) -> None:
    value, said = FOUND[kind]
    path, net = tmp_path / "w", make(2)
    WRITERS[writer](value, path)
    state, done = read_weights(path)
    done += copy_weights(net, state, path)
    assert len(done) == len(said), done
    for words, line in zip(said, done, strict=True):
        assert re.search(words.replace("(", r"\(").replace(")", r"\)"), line), line
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in net.state_dict().items())


def test_the_key_of_the_weights_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "w"
    torch.save({"model_ema": {"module": OTHER}, "model": prefixed("a.") | prefixed("b.", OTHER)}, path)
    for key, expected in (("model_ema", OTHER), ("model_ema/module", OTHER), ("model/a", STATE), ("model/b.", OTHER)):
        net = make(2)
        state, done = read_weights(path, key)
        copy_weights(net, state, path)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in net.state_dict().items()), key
        assert f"under {key.rpartition('/')[2]!r}" in " ".join(done)
    with pytest.raises(WeightsError, match=r"no weights under 'x'; its entries are: 'model_ema', 'model'"):
        read_weights(path, "x")
    with pytest.raises(WeightsError, match=r"several networks.*'a\.', 'b\.'.*--weights-key a\."):
        copy_weights(make(2), read_weights(path)[0], path)


def test_a_prefix_of_the_module_is_added_to_names_without_it(tmp_path: Path) -> None:
    net, path = nn.Sequential(), tmp_path / "w"
    net.add_module("model", make(2))
    torch.save(STATE, path)
    assert copy_weights(net, read_weights(path)[0], path) == ["added 'model.' before every name"]
    assert torch.equal(net.model[3].weight, STATE["3.weight"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"5.weight": torch.zeros(2, 2), "5.bias": torch.zeros(2)},
            r"2 belong to layers that the network does not have.*'5\.weight'",
        ),
        ({"1.extra.weight": torch.zeros(2, 2)}, r"'1\.extra\.weight'"),
    ],
)
def test_weights_of_additional_layers_are_an_error(changed: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w"
    torch.save(STATE | changed, path)
    with pytest.raises(WeightsError, match=message):
        copy_weights(make(2), read_weights(path)[0], path)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "w"
    torch.save({name: tensor for name, tensor in prefixed("module.").items() if "3." not in name}, path)
    with pytest.raises(WeightsError, match=r"2 of the network's weights are missing, such as '3\.weight', '3\.bias'"):
        copy_weights(make(2), read_weights(path)[0], path)


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_refused_in_a_file_is_named(writer: str, tmp_path: Path) -> None:
    path = tmp_path / "w"
    WRITERS[writer]({"state_dict": STATE, "args": argparse.Namespace(lr=0.1), "acc": np.float64(1)}, path)
    with pytest.raises(WeightsError, match=r"contains more than tensors \('argparse\.Namespace'\)"):
        read_weights(path)
