"""The content of a resume file: its checksum, and the check that its tensors are those of the network."""

import hashlib
import json
import struct

import torch

_LENGTH = struct.Struct("<Q")


class ResumeError(Exception):
    """The error of a file from which a run cannot be resumed; the message gives the reason."""


def digest(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Return the SHA-256 of tensors on the CPU, with their names, types and shapes, and of metadata."""
    found = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def header_metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file. Raises ResumeError if there are none."""
    try:
        (length,) = _LENGTH.unpack_from(content)
        if length > len(content):
            raise ResumeError("it is damaged: its header is cut off")
        metadata = json.loads(content[_LENGTH.size : _LENGTH.size + length])["__metadata__"]
        return {str(name): str(value) for name, value in metadata.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ResumeError("it is damaged: it has no header of such a file") from None


def check_tensors(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], may_be: dict[str, torch.Tensor]
) -> None:
    """Raise ResumeError unless all `wanted` tensors are there, all others are in `may_be`, and types and shapes match."""
    if missing := sorted(set(wanted) - set(found)):
        raise ResumeError(f"it has no {missing[0]}")
    for name, tensor in found.items():
        model = wanted.get(name, may_be.get(name))
        if model is None:
            raise ResumeError(f"it has {name[:100]!r}, which the network has not")
        if tensor.dtype != model.dtype or tensor.shape != model.shape:
            raise ResumeError(
                f"its {name} is {tensor.dtype} of shape {tuple(tensor.shape)}, that of the network {model.dtype} of shape "
                f"{tuple(model.shape)}"
            )
