"""The state dict inside a file of weights, and its names mapped to those of the network. Tests: test_foreign_weights.py."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rnc.safe_paths import quoted

STATE_KEYS = (
    "state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params",
    "net_state_dict", "model_ema", "ema", "state_dict_ema", "ema_state_dict", "model_ema_state_dict", "params_ema",
)  # fmt: skip
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


def state_in(found: Any, path: Path, wanted: str = "") -> tuple[State, list[str]]:
    """Return the state dict in a file's content, at the top level or under a key, and a description of how it was found.

    `wanted` is the key, or several keys separated by `/`; the last one may be a prefix of the names. Raises
    WeightsError.
    """
    done: list[str] = []
    for part in filter(None, wanted.split("/")):
        found = _wanted(found, part, path)
        done.append(f"took the weights under {quoted(part)}")
    for _level in range(_LEVELS):
        key = _key_of_state(found)
        if key is None:
            break
        beside = _listed(name for name in found if name != key)
        done.append(f"took the weights under {quoted(key)}" + (f" (beside it: {beside})" if beside else ""))
        found = found[key]
    tensors = _tensors(found)
    if not tensors:
        raise NoWeightsError(f"checkpoint {path} holds no state dict; save one: torch.save(model.state_dict(), FILE)")
    for name, value in tensors.items():
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise WeightsError(
                f"checkpoint {path}: {quoted(name)} is no plain tensor; save the weights as dense floats"
            )
    others = _listed(name for name in found if name not in tensors)
    return tensors, done + ([f"left out what is no tensor: {others}"] if others else [])


def named_as(own: State, state: State, path: Path) -> tuple[State, list[str]]:
    """Return a state dict under the network's names, with other entries under their own, and a description of the changes.

    A prefix before all of the network's names is removed: DataParallel, torch.compile, Lightning and averages of
    weights add one. Raises WeightsError if the file contains several networks.
    """
    longest = max(own, key=len)
    begins = {name[: -len(longest)] for name in state if name == longest or name.endswith(f".{longest}")} | {""}
    whole = sorted((p for p in begins if not _missing(own, state, p)), key=lambda p: (len(p), p))
    if not whole:
        common = _common(own)
        if common and not _missing(own, {common + name: tensor for name, tensor in state.items()}, ""):
            return {common + name: tensor for name, tensor in state.items()}, [
                f"put {quoted(common)} before every name"
            ]
        begin = min(begins, key=lambda p: (len(_missing(own, state, p)), len(p)))
    else:
        begin = _one_of(whole, own, state, path)
    if not begin:
        return state, []
    others = [other for other in whole if other and other != begin]
    renamed = {name.removeprefix(begin): tensor for name, tensor in state.items() if name.startswith(begin)}
    beside = {name: tensor for name, tensor in state.items() if not name.startswith(begin) and name not in renamed}
    where = "off the names that begin with it" if beside else "off every name"
    rest = {name: tensor for name, tensor in beside.items() if not name.startswith(tuple(others))}
    more = f"; the same names are also there after {_listed(others)} (--weights-key takes these)" if others else ""
    return renamed | rest, [f"took {quoted(begin)} {where}{more}"]


def missing_and_extra(model: nn.Module, own: State, state: State, path: Path) -> tuple[State, list[str]]:
    """Return the entries of a state dict that a network has, and sentences on those that it does not need.

    Raises WeightsError, with names, if entries are missing, or if others belong to layers that the network does not
    have.
    """
    missing = _missing(own, state, "")
    extra = [name for name in state if name not in own]
    modules = dict(model.named_modules())
    strange = [name for name in extra if _is_of_a_layer(modules, name, state[name])]
    if missing or strange:
        raise WeightsError(
            f"checkpoint {path} is of another network: "
            + "; ".join(
                f"{len(names)} {what}, such as {_listed(names)}"
                for what, names in (
                    ("of its weights are missing", missing),
                    ("are of layers that it does not have", strange or extra),
                )
                if names
            )
        )
    return {name: tensor for name, tensor in state.items() if name in own}, _told(state, extra)


def _told(state: State, extra: list[str]) -> list[str]:
    """Return sentences on the entries that a network does not need."""
    done, rest = [], []
    for name in extra:
        last, tensor = name.rpartition(".")[2], state[name]
        if last == "n_averaged" and tensor.numel() == 1:
            done.append(f"the weights are an average of {int(tensor)} networks")
        elif last in _NORMALISATION and tensor.is_floating_point() and 0 < tensor.numel() <= _FEW:
            numbers = " ".join(f"{number:.4g}" for number in tensor.flatten().tolist())
            option = "--mean" if "mean" in last else "--std"
            done.append(
                f"the file's own {quoted(name)} is not used: give {option} {numbers} where pixels are brought to it"
            )
        else:
            rest.append(name)
    if rest:
        entries = "1 entry is" if len(rest) == 1 else f"{len(rest)} entries are"
        done.append(f"warning: {entries} left out, which the network does not need: {_listed(rest)}")
    return done


def _is_of_a_layer(modules: dict[str, nn.Module], name: str, tensor: torch.Tensor) -> bool:
    """Return whether an entry that the network lacks is a weight of its layers, such as an additional block or bias."""
    parts = name.split(".")
    depth = next(d for d in range(len(parts) - 1, -1, -1) if ".".join(parts[:d]) in modules)
    parent, rest = modules[".".join(parts[:depth])], parts[depth:]
    if isinstance(parent, nn.Sequential | nn.ModuleList | nn.ModuleDict) and len(rest) > 1:
        return depth > 0 or rest[0].isdecimal()
    return depth > 0 and (rest[-1] in _PARAMETERS or (tensor.is_floating_point() and tensor.dim() > 1))


def _wanted(found: Any, key: str, path: Path) -> Any:
    if isinstance(found, dict) and isinstance(found.get(key), dict):
        return found[key]
    names = [name for name in found if isinstance(name, str)] if isinstance(found, dict) else []
    begin = key if key.endswith(".") else f"{key}."
    inside = {name.removeprefix(begin): found[name] for name in names if name.startswith(begin)}
    if not inside:
        raise WeightsError(
            f"checkpoint {path} has no weights under {quoted(key)}; there are: {_listed(names) or 'none'}"
        )
    return inside


def _key_of_state(found: Any) -> str | None:
    """Return the key under which a dict holds its weights; None if they are at the top level, or if there are none."""
    if not isinstance(found, dict):
        return None
    inside = [key for key in STATE_KEYS if isinstance(found.get(key), dict)]
    if inside:
        return next((key for key in inside if _tensors(found[key])), inside[0])
    if _tensors(found):
        return None
    others = [key for key, value in found.items() if isinstance(key, str) and _tensors(value)]
    return others[0] if len(others) == 1 else None


def _tensors(found: Any) -> State:
    """Return the tensors in a dict by name."""
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}


def _missing(own: State, state: State, begin: str) -> list[str]:
    return [name for name in own if begin + name not in state and not name.endswith(_COUNTER)]


def _one_of(whole: list[str], own: State, state: State, path: Path) -> str:
    """Return one of several prefixes of the network's names: the one that is not an average, if their weights differ."""
    if "" in whole or len(whole) == 1 or all(_alike(own, state, whole[0], other) for other in whole[1:]):
        return whole[0]
    plain = [begin for begin in whole if not any(word in _AVERAGES for word in begin.replace("_", ".").split("."))]
    if len(plain) != 1:
        raise WeightsError(
            f"checkpoint {path} holds the weights of several networks, whose names begin with {_listed(whole)}; "
            f"name one: --weights-key {whole[0]}"
        )
    return plain[0]


def _alike(own: State, state: State, one: str, other: str) -> bool:
    names = [name for name in own if not name.endswith(_COUNTER)]
    return all(torch.equal(state[one + name], state[other + name]) for name in names)


def _common(own: State) -> str:
    """Return the prefix shared by all of a network's names."""
    first = next(iter(own)).split(".")[:-1]
    for length in range(len(first), 0, -1):
        begin = ".".join(first[:length]) + "."
        if all(name.startswith(begin) for name in own):
            return begin
    return ""


def _listed(names: Iterable[Any]) -> str:
    every = [str(name) for name in names]
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(quoted(name) for name in every[:_LISTED]) + more
