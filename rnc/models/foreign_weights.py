"""Weights that somebody else saved: safetensors, or what `torch.save` made of a state dict. Tensors alone, no code.

A pickle is read by torch's `weights_only` loader, which runs none of it. What is packed more tightly than torch packs is
not unpacked: it could grow without bounds.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
"""What a folder of checkpoints is searched for."""
_STATE_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_LISTED = 4
_ZIP, _PICKLES = b"PK\x03\x04", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class WeightsError(ValueError):
    """A file of weights that cannot be used: the message names it and says what to do."""


class NoWeightsError(WeightsError):
    """A file that is whole and holds no weights, such as an optimiser's."""


def holds_weights(path: Path) -> bool:
    """Return whether a file holds weights, without reading them; a damaged or unsafe file raises WeightsError."""
    start = _start(path)
    if start == _ZIP and not _has_tensors(path):
        return False
    if start != _ZIP and start[:2] not in _PICKLES:
        return True
    try:
        _state_in(_read_torch(path, start == _ZIP, peek=True), path)
    except NoWeightsError:
        return False
    return True


def read(path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The state dict of a file, on the CPU, and what was done to find it in there, in words.

    Raises WeightsError where the file is missing, damaged, or holds more than tensors.
    """
    start = _start(path)
    is_torch = start == _ZIP or start[:2] in _PICKLES
    found = _read_torch(path, start == _ZIP) if is_torch else _read_safetensors(path)
    return _state_in(found, path)


def _start(path: Path) -> bytes:
    """The first bytes of a file."""
    try:
        if path.exists() and not path.is_file():  # (to open a pipe would wait for ever)
            raise WeightsError(f"checkpoint {path} is no file; name one of safetensors, or of torch.save")
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise WeightsError(f"checkpoint {path} cannot be read ({error.strerror or error})") from None


def fill(model: nn.Module, state: dict[str, torch.Tensor], path: Path) -> list[str]:
    """Copy a state dict into a module, whatever word stands before all of its names; returns what was done, in words.

    Raises WeightsError, and copies nothing, where names, shapes or numbers are wrong.
    """
    own = model.state_dict()
    state, done = _named_as(own, state)
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    strange = [name for name in state if name not in own]
    if missing or strange:
        raise WeightsError(
            f"checkpoint {path} is of another network: "
            + "; ".join(
                f"{len(names)} {what}, such as {', '.join(names[:_LISTED])}"
                for what, names in (("of its weights are missing", missing), ("are unknown to it", strange))
                if names
            )
        )
    for name, tensor in state.items():
        _check(name, tensor, own[name], path)
    model.load_state_dict(state, strict=False)
    return done


def _check(name: str, tensor: torch.Tensor, own: torch.Tensor, path: Path) -> None:
    if tensor.shape != own.shape:
        raise WeightsError(
            f"checkpoint {path}: {name} has shape {tuple(tensor.shape)}, the network has {tuple(own.shape)}; "
            "is it made for other classes or another size?"
        )
    if tensor.is_floating_point() != own.is_floating_point() or tensor.is_complex():
        raise WeightsError(
            f"checkpoint {path}: {name} is {tensor.dtype}, the network has {own.dtype}; save plain floats"
        )
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
        raise WeightsError(f"checkpoint {path}: {name} holds NaN or infinity; take an earlier checkpoint")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise WeightsError(
            f"checkpoint {path} is neither safetensors nor a file of torch.save, or is damaged ({_short(error)}); "
            "copy it again"
        ) from None


def _read_torch(path: Path, is_zip: bool, peek: bool = False) -> Any:
    """What a file of torch.save holds; to peek maps the tensors of an archive into memory and compares no checksums."""
    if is_zip:
        _check_zip(path, whole=not peek)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=peek and is_zip)
    except Exception as error:  # (the unpickler raises whatever the damage looks like)
        reason = _short(error)
        if "weights_only" in str(error).lower() or "unsupported" in reason.lower():
            raise WeightsError(
                f"checkpoint {path} holds more than tensors, or is damaged; code in files is not run: "
                "save the state dict alone, torch.save(model.state_dict(), FILE)"
            ) from None
        raise WeightsError(f"checkpoint {path} is damaged ({reason}); copy it again") from None


def _has_tensors(path: Path) -> bool:
    """Return whether an archive of torch.save has entries for the numbers of tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/data/" in name for name in archive.namelist())
    except Exception as error:  # (zipfile raises whatever the damage looks like)
        raise WeightsError(f"checkpoint {path} is damaged ({_short(error)}); copy it again") from None


def _check_zip(path: Path, *, whole: bool) -> None:
    """torch stores its entries as they are, so that together they are never larger than the file, with a checksum each."""
    try:
        with zipfile.ZipFile(path) as archive:
            packed = sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size
            packed = packed or any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
            damaged = archive.testzip() if whole and not packed else None  # (torch itself compares no checksums)
    except Exception as error:  # (zipfile raises whatever the damage looks like)
        raise WeightsError(f"checkpoint {path} is damaged ({_short(error)}); copy it again") from None
    if damaged:
        raise WeightsError(f"checkpoint {path} is damaged (the checksum of {damaged} is another); copy it again")
    if packed:
        raise WeightsError(
            f"checkpoint {path} is a compressed archive, which torch.save never makes; it is not unpacked"
        )


def _state_in(found: Any, path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The state dict in what a file holds: itself, or under one of the usual keys."""
    done = []
    for _level in range(3):
        if isinstance(found, dict) and found and all(_is_plain(value) for value in found.values()):
            break
        key = next((k for k in _STATE_KEYS if isinstance(found, dict) and isinstance(found.get(k), dict)), None)
        if key is None:
            break
        found = found[key]
        done.append(f"took the weights under {key!r}")
    if not isinstance(found, dict) or not found:
        raise NoWeightsError(f"checkpoint {path} holds no state dict; save one: torch.save(model.state_dict(), FILE)")
    if not any(isinstance(value, torch.Tensor) for value in found.values()):
        raise NoWeightsError(f"checkpoint {path} holds no state dict; save one: torch.save(model.state_dict(), FILE)")
    for name, value in found.items():
        if not isinstance(name, str) or not _is_plain(value):
            raise WeightsError(
                f"checkpoint {path} holds more than a state dict: {str(name)[:80]!r} is {type(value).__name__}, no plain "
                f"tensor; save the state dict alone, or under one of: {', '.join(_STATE_KEYS)}"
            )
    return dict(found), done


def _is_plain(value: Any) -> bool:
    """A dense tensor in memory."""
    if not isinstance(value, torch.Tensor):
        return False
    return value.layout is torch.strided and not value.is_quantized and not value.is_meta


def _named_as(
    own: dict[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The names as the module has them: DataParallel, torch.compile and others put a word before every one."""
    done: list[str] = []
    for _level in range(3):
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), None)
        if prefix is None or any(name in own for name in state):
            break
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
        done.append(f"took {prefix!r} off every name")
    return state, done


def _short(error: BaseException) -> str:
    """The first words of an error, in one line."""
    return " ".join((str(error) or type(error).__name__).split())[:160]
