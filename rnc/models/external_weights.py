"""External weights: safetensors, or a state dict saved by `torch.save`. Only tensors are read, and no code is run.

A pickle is read by torch's `weights_only` loader, which does not execute it. Compressed archives are rejected, because
they could expand without bounds; torch itself does not compress.
"""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from rnc.models.state_dicts import NoWeightsError, WeightsError, check_entries, find_state_dict, match_names
from rnc.safe_paths import quoted

__all__ = ["SUFFIXES", "WeightsError", "contains_weights", "copy_weights", "read_weights"]
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
"""Suffixes of the files that are searched for in a folder of checkpoints."""
_LISTED = 5
_ZIP, _PICKLES = b"PK\x03\x04", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def contains_weights(path: Path) -> bool:
    """Return whether a file contains weights, without fully reading them. Raises WeightsError for a damaged or unsafe file."""
    start = _first_bytes(path)
    if start == _ZIP and not _has_tensors(path):
        return False
    if start != _ZIP and start[:2] not in _PICKLES:
        return True
    try:
        find_state_dict(_read_torch(path, start == _ZIP, peek=True), path)
    except NoWeightsError:
        return False
    return True


def read_weights(path: Path, key: str = "") -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return the state dict of a file, on the CPU, and a description of how it was found.

    `key` gives its location in the file, if it is not found automatically. Raises WeightsError if the file is missing,
    damaged, or contains more than tensors.
    """
    start = _first_bytes(path)
    is_torch = start == _ZIP or start[:2] in _PICKLES
    content = _read_torch(path, start == _ZIP) if is_torch else _read_safetensors(path)
    return find_state_dict(content, path, key)


def _first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait forever
            raise WeightsError(
                f"checkpoint {path} is not a regular file; give a safetensors file, or one saved by torch.save"
            )
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise WeightsError(f"checkpoint {path} cannot be read ({error.strerror or error})") from None


def copy_weights(model: nn.Module, state: dict[str, torch.Tensor], path: Path) -> list[str]:
    """Copy a state dict into a module, ignoring a common prefix of its names; return what was done, in words.

    Raises WeightsError, and copies nothing, if names, shapes or numbers are wrong.
    """
    expected = model.state_dict()
    state, renaming = match_names(expected, state, path)
    state, unused = check_entries(model, expected, state, path)
    for name, tensor in state.items():
        _check_tensor(name, tensor, expected[name], path)
    model.load_state_dict(state, strict=False)
    return renaming + unused


def _check_tensor(name: str, tensor: torch.Tensor, expected: torch.Tensor, path: Path) -> None:
    if tensor.shape != expected.shape:
        raise WeightsError(
            f"checkpoint {path}: {name} has shape {tuple(tensor.shape)}, but the network needs {tuple(expected.shape)}; "
            "check that both have the same classes and sizes"
        )
    if tensor.is_floating_point() != expected.is_floating_point() or tensor.is_complex():
        raise WeightsError(
            f"checkpoint {path}: {name} has the type {tensor.dtype}, but the network needs {expected.dtype}; "
            "save the weights as plain floats"
        )
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor.float()).all()):
        raise WeightsError(f"checkpoint {path}: {name} contains NaN or infinity; use an earlier checkpoint")


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise WeightsError(
            f"checkpoint {path} is neither safetensors nor a file saved by torch.save, or is damaged ({_short(error)}); "
            "copy it again"
        ) from None


def _read_torch(path: Path, is_zip: bool, peek: bool = False) -> Any:
    """Return the content of a torch.save file; `peek` maps an archive's tensors into memory and skips its checksums."""
    if is_zip:
        _check_zip(path, test_checksums=not peek)
    try:
        with torch.serialization.safe_globals(_safe_numpy_globals()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=peek and is_zip)
    except Exception as error:  # the unpickler raises many types of errors for damaged files
        reason = _short(error)
        if "weights_only" in str(error).lower() or "unsupported" in reason.lower():
            raise WeightsError(
                f"checkpoint {path} contains more than tensors{_forbidden_names(path, error)}, or is damaged; code in files is "
                "not run: save only the state dict, torch.save(model.state_dict(), FILE)"
            ) from None
        raise WeightsError(f"checkpoint {path} is damaged ({reason}); copy it again") from None


def _safe_numpy_globals() -> list[Any]:
    """Return the types and the function that restore a number of numpy, such as an accuracy stored with the weights; all safe."""
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [type(np.dtype(kind)) for kind in ("bool", *np.typecodes["AllInteger"], *np.typecodes["Float"])]
    return [np.dtype, *dict.fromkeys(kinds), scalar, (scalar, "numpy.core.multiarray.scalar")]


def _forbidden_names(path: Path, error: Exception) -> str:
    """Return the names of the code that a file asks to run, in words; empty if they cannot be determined."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # it fails on damaged and on old files
        names = re.findall(r"GLOBAL ([\w.]{1,80})", str(error))
    allowed = {
        f"{kind.__module__}.{kind.__qualname__}" for kind in _safe_numpy_globals() if not isinstance(kind, tuple)
    }
    forbidden = [quoted(name) for name in dict.fromkeys(names) if name not in allowed]
    more = f" and {len(forbidden) - _LISTED} more" if len(forbidden) > _LISTED else ""
    return f" ({', '.join(forbidden[:_LISTED])}{more})" if forbidden else ""


def _has_tensors(path: Path) -> bool:
    """Return whether an archive of torch.save has entries for the values of tensors."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/data/" in name for name in archive.namelist())
    except Exception as error:  # zipfile raises many types of errors for damaged files
        raise WeightsError(f"checkpoint {path} is damaged ({_short(error)}); copy it again") from None


def _check_zip(path: Path, *, test_checksums: bool) -> None:
    """Raise WeightsError for a compressed or damaged archive.

    torch stores its entries uncompressed and with checksums, so their total size never exceeds that of the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size
            compressed = compressed or any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
            damaged = (
                archive.testzip() if test_checksums and not compressed else None
            )  # torch itself does not check them
    except Exception as error:  # zipfile raises many types of errors for damaged files
        raise WeightsError(f"checkpoint {path} is damaged ({_short(error)}); copy it again") from None
    if damaged:
        raise WeightsError(f"checkpoint {path} is damaged (the checksum of {damaged} does not match); copy it again")
    if compressed:
        raise WeightsError(
            f"checkpoint {path} is a compressed archive, which torch.save never makes, and is not unpacked; "
            "save it again with torch.save"
        )


def _short(error: BaseException) -> str:
    """Return the first words of an error message, in one line."""
    return " ".join((str(error) or type(error).__name__).split())[:160]
