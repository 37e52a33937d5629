"""The state dict inside a file of weights, and its names mapped to those of the network.

Tested by tests/rnc/models/test_external_weights.py.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnc.safe_paths import quoted

_STATE_KEYS = """
state_dict model_state_dict model_state model net network module weights params
net_state_dict model_ema ema state_dict_ema ema_state_dict model_ema_state_dict params_ema
"""
"""Keys under which training programs store weights, by priority: averages of weights are used only if there is nothing else."""
_AVERAGES = ("ema", "avg", "average", "averaged", "swa", "teacher", "target", "momentum", "shadow", "attacker", "old")
_NORMALISATION = ("mean", "std", "new_mean", "new_std", "pixel_mean", "pixel_std")
_PARAMETERS = ("weight", "bias", "gamma", "beta")
_COUNTER = "num_batches_tracked"
_LISTED, _LEVELS, _FEW = 5, 3, 4
State = dict[str, torch.Tensor]


class WeightsError(ValueError):
    """The error of a file of weights that cannot be used; the message names the file and a remedy."""


class NoWeightsError(WeightsError):
    """The error of an intact file without weights, such as that of an optimiser."""


def find_state_dict(content: Any, path: Path, key_path: str = "") -> tuple[State, list[str]]:
    """Return the state dict in a file's content, at the top level or under a key, and a description of how it was found.

    `key_path` is the key, or several keys separated by `/`; the last one may be a prefix of the names. Raises
    WeightsError.
    """
    notes: list[str] = []
    for part in filter(None, key_path.split("/")):
        content = _entry_under(content, part, path)
        notes.append(f"used the weights under {quoted(part)}")
    for _level in range(_LEVELS):
        key = _state_dict_key(content)
        if key is None:
            break
        others = _listed(name for name in content if name != key)
        notes.append(f"used the weights under {quoted(key)}" + (f" (other entries: {others})" if others else ""))
        content = content[key]
    tensors = _tensors(content)
    if not tensors:
        raise NoWeightsError(
            f"checkpoint {path} contains no state dict; save one: torch.save(model.state_dict(), FILE)"
        )
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise WeightsError(
                f"checkpoint {path}: {quoted(name)} is not a dense tensor; save the weights as dense floats"
            )
    others = _listed(name for name in content if name not in tensors)
    return tensors, notes + ([f"left out entries that are not tensors: {others}"] if others else [])


def match_names(expected: State, state: State, path: Path) -> tuple[State, list[str]]:
    """Return a state dict under the network's names, with other entries under their own names, and a description of the changes.

    A prefix before all of the network's names is removed: DataParallel, torch.compile, Lightning and averages of
    weights add one. Raises WeightsError if the file contains several networks.
    """
    longest = max(expected, key=len)
    prefixes = {name[: -len(longest)] for name in state if name == longest or name.endswith(f".{longest}")} | {""}
    complete = sorted((p for p in prefixes if not _missing(expected, state, p)), key=lambda p: (len(p), p))
    if not complete:
        common = _common_prefix(expected)
        if common and not _missing(expected, {common + name: tensor for name, tensor in state.items()}, ""):
            return {common + name: tensor for name, tensor in state.items()}, [
                f"added {quoted(common)} before every name"
            ]
        prefix = min(prefixes, key=lambda p: (len(_missing(expected, state, p)), len(p)))
    else:
        prefix = _choose_prefix(complete, expected, state, path)
    if not prefix:
        return state, []
    others = [other for other in complete if other and other != prefix]
    renamed = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    other_entries = {
        name: tensor for name, tensor in state.items() if not name.startswith(prefix) and name not in renamed
    }
    where = "the names that begin with it" if other_entries else "every name"
    rest = {name: tensor for name, tensor in other_entries.items() if not name.startswith(tuple(others))}
    more = f"; the same names also follow {_listed(others)} (--weights-key chooses these)" if others else ""
    return renamed | rest, [f"removed {quoted(prefix)} from {where}{more}"]


def check_entries(model: nn.Module, expected: State, state: State, path: Path) -> tuple[State, list[str]]:
    """Return the entries of a state dict that a network has, and sentences on those that it does not need.

    Raises WeightsError, with names, if entries are missing, or if others belong to layers that the network does not
    have.
    """
    missing = _missing(expected, state, "")
    extra = [name for name in state if name not in expected]
    modules = dict(model.named_modules())
    strange = [name for name in extra if _belongs_to_layer(modules, name, state[name])]
    if missing or strange:
        raise WeightsError(
            f"checkpoint {path} does not fit the network: "
            + "; ".join(
                f"{len(names)} {what}, such as {_listed(names)}"
                for what, names in (
                    ("of the network's weights are missing", missing),
                    ("belong to layers that the network does not have", strange or extra),
                )
                if names
            )
        )
    return {name: tensor for name, tensor in state.items() if name in expected}, _describe_unused(state, extra)


def _describe_unused(state: State, extra: list[str]) -> list[str]:
    """Return sentences on the entries that a network does not need."""
    notes, rest = [], []
    for name in extra:
        last, tensor = name.rpartition(".")[2], state[name]
        if last == "n_averaged" and tensor.numel() == 1:
            notes.append(f"the weights are an average of {int(tensor)} networks")
        elif last in _NORMALISATION and tensor.is_floating_point() and 0 < tensor.numel() <= _FEW:
            numbers = " ".join(f"{number:.4g}" for number in tensor.flatten().tolist())
            option = "--mean" if "mean" in last else "--std"
            notes.append(
                f"the entry {quoted(name)} of the file is not used: give {option} {numbers} if pixels are to be normalised by it"
            )
        else:
            rest.append(name)
    if rest:
        entries, them = ("1 entry is", "it") if len(rest) == 1 else (f"{len(rest)} entries are", "them")
        notes.append(f"warning: {entries} left out, because the network does not need {them}: {_listed(rest)}")
    return notes


def _belongs_to_layer(modules: dict[str, nn.Module], name: str, tensor: torch.Tensor) -> bool:
    """Return whether an entry that the network lacks is a weight of its layers, such as an additional block or bias."""
    parts = name.split(".")
    depth = next(d for d in range(len(parts) - 1, -1, -1) if ".".join(parts[:d]) in modules)
    parent, rest = modules[".".join(parts[:depth])], parts[depth:]
    if isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict) and len(rest) > 1:
        return depth > 0 or rest[0].isdecimal()
    return depth > 0 and (rest[-1] in _PARAMETERS or (tensor.is_floating_point() and tensor.dim() > 1))


def _entry_under(content: Any, key: str, path: Path) -> Any:
    if isinstance(content, dict) and isinstance(content.get(key), dict):
        return content[key]
    names = [name for name in content if isinstance(name, str)] if isinstance(content, dict) else []
    prefix = key if key.endswith(".") else f"{key}."
    inside = {name.removeprefix(prefix): content[name] for name in names if name.startswith(prefix)}
    if not inside:
        raise WeightsError(
            f"checkpoint {path} has no weights under {quoted(key)}; its entries are: {_listed(names) or 'none'}"
        )
    return inside


def _state_dict_key(content: Any) -> str | None:
    """Return the key under which a dict holds its weights; None if they are at the top level, or if there are none."""
    if not isinstance(content, dict):
        return None
    inside = [key for key in _STATE_KEYS.split() if isinstance(content.get(key), dict)]
    if inside:
        return next((key for key in inside if _tensors(content[key])), inside[0])
    if _tensors(content):
        return None
    others = [key for key, value in content.items() if isinstance(key, str) and _tensors(value)]
    return others[0] if len(others) == 1 else None


def _tensors(content: Any) -> State:
    """Return the tensors in a dict by name."""
    if not isinstance(content, dict):
        return {}
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}


def _missing(expected: State, state: State, prefix: str) -> list[str]:
    return [name for name in expected if prefix + name not in state and not name.endswith(_COUNTER)]


def _choose_prefix(complete: list[str], expected: State, state: State, path: Path) -> str:
    """Return one of several prefixes of the network's names: the one that is not an average, if their weights differ."""
    if (
        "" in complete
        or len(complete) == 1
        or all(_have_equal_weights(expected, state, complete[0], other) for other in complete[1:])
    ):
        return complete[0]
    plain = [
        prefix for prefix in complete if not any(word in _AVERAGES for word in prefix.replace("_", ".").split("."))
    ]
    if len(plain) != 1:
        raise WeightsError(
            f"checkpoint {path} contains the weights of several networks, whose names begin with {_listed(complete)}; "
            f"choose one: --weights-key {complete[0]}"
        )
    return plain[0]


def _have_equal_weights(expected: State, state: State, one: str, other: str) -> bool:
    names = [name for name in expected if not name.endswith(_COUNTER)]
    return all(torch.equal(state[one + name], state[other + name]) for name in names)


def _common_prefix(expected: State) -> str:
    """Return the prefix shared by all of a network's names."""
    first = next(iter(expected)).split(".")[:-1]
    for length in range(len(first), 0, -1):
        prefix = ".".join(first[:length]) + "."
        if all(name.startswith(prefix) for name in expected):
            return prefix
    return ""


def _listed(names: Iterable[Any]) -> str:
    every = [str(name) for name in names]
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(quoted(name) for name in every[:_LISTED]) + more
