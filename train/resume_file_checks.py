"""The content of a resume file: its checksum, and the check that its tensors are those of the network.

Tested by tests/train/test_resume_file.py.
"""

import hashlib
import json
import struct

import torch

_LENGTH = struct.Struct("<Q")


class ResumeError(Exception):
    """The error of a file from which a run cannot be resumed; the message gives the reason."""


def digest(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
    """Return the SHA-256 of tensors on the CPU, with their names, types and shapes, and of metadata."""
    checksum = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        checksum.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        checksum.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return checksum.hexdigest()


def header_metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file. Raises ResumeError if there are none."""
    try:
        (length,) = _LENGTH.unpack_from(content)
        if length > len(content):
            raise ResumeError("it is damaged: its header is cut off")
        metadata = json.loads(content[_LENGTH.size : _LENGTH.size + length])["__metadata__"]
        return {str(name): str(value) for name, value in metadata.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ResumeError("it is damaged: it has no header of a safetensors file") from None


def check_tensors(
    tensors: dict[str, torch.Tensor], required: dict[str, torch.Tensor], optional: dict[str, torch.Tensor]
) -> None:
    """Raise ResumeError unless all `required` tensors are there, all others are `optional`, and types and shapes match."""
    if missing := sorted(set(required) - set(tensors)):
        raise ResumeError(f"it does not contain {missing[0]}")
    for name, tensor in tensors.items():
        expected = required.get(name, optional.get(name))
        if expected is None:
            raise ResumeError(f"it contains {name[:100]!r}, which the network does not have")
        if tensor.dtype != expected.dtype or tensor.shape != expected.shape:
            raise ResumeError(
                f"its {name} is {tensor.dtype} of shape {tuple(tensor.shape)}, but that of the network is {expected.dtype} of "
                f"shape {tuple(expected.shape)}"
            )
