"""Model files: safetensors with the run's config in the metadata, written so that a crash leaves no partial file."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import nn

from rnc import models
from rnc.atomic_files import atomic_file
from rnc.datasets import DatasetSpec
from rnc.models import meta_device
from rnc.models.checkpoint_config import CheckpointConfig, ConfigMissingError, read_config
from rnc.models.factory import (
    ForbiddenModelError,
    build_module,
    check_options,
    is_built_in,
    is_user_code,
    wrap_arguments,
)
from rnc.models.memory_errors import is_out_of_memory
from rnc.models.tensor_header import Header, HeaderError, read_header
from rnc.safe_paths import UnsafePathError, open_plain_file
from rnc.vocabulary import MOST_NETWORK_BYTES

_SPEC = ("classes", "image_shape", "mean", "std")
_WRAPPED = "module."
"""The prefix of the tensor names of a wrapped network."""


class CheckpointError(Exception):
    """The error of a model file that is missing, damaged or not the one recorded in the store."""


def save(model: models.FeatureClassifier, path: Path, metadata: dict) -> str:
    """Write the state dict and `metadata` (a JSON object with `dataset` and `model`); return the file's SHA-256.

    The bytes are first written under another name and then renamed, so that `path` is complete or absent.
    """
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    content = tensors_to_bytes(state, metadata={"config": json.dumps(metadata)})
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is complete or absent, even after a crash. Raises CheckpointError if writing fails."""
    try:
        with atomic_file(path) as file:
            file.write(content)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}); "
            "free space or allow writing there, then start the same command again: it continues"
        ) from None


def load(path: Path, sha256: str) -> models.FeatureClassifier:
    """Rebuild the network of a model file, in eval mode, on the CPU.

    The file is read once, so the bytes that are hashed are those that are used. Memory is bounded by their number,
    whatever the metadata contain. Raises CheckpointError if the file is missing, is not a plain file, is too large or
    has no config; if its SHA-256 differs from the given one; if its tensors do not match the network it names; or if it
    names user code that RNC_MODELS does not allow.
    """
    content = _read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(
            f"checkpoint {path} is not the file that the store recorded: its SHA-256 differs; "
            "restore the file or train the run again with --overwrite"
        )
    try:
        header = read_header(content)
        config = read_config(header.metadata)
    except (HeaderError, ConfigMissingError) as error:
        raise CheckpointError(f"checkpoint {path} has no config in its metadata: {error}") from None
    except ValueError as error:
        raise CheckpointError(f"checkpoint {path} cannot be rebuilt: {_in_one_line(error)}") from None
    return _rebuild(config, header, content, path).eval()


def _read_bytes(path: Path) -> bytes:
    """Return all bytes of a plain file, read once."""
    try:
        with open_plain_file(path, "checkpoint", most_bytes=MOST_NETWORK_BYTES) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(size + 1)
    except UnsafePathError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error}") from None
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({error.strerror or error}); train the run again"
        ) from None
    if len(content) != size:
        raise CheckpointError(f"checkpoint {path} cannot be read: it was changed while it was read; try again")
    return content


def network_metadata(name: str, spec: DatasetSpec, width: float, model: models.FeatureClassifier) -> dict:
    """Return the metadata from which `load` rebuilds a network that was not made for a data set of the project."""
    images = {field: getattr(spec, field) for field in _SPEC}
    return {"dataset": spec.name, "model": name, "width": width, "spec": images, "wrap": wrap_arguments(model)}


def _rebuild(config: CheckpointConfig, header: Header, content: bytes, path: Path) -> models.FeatureClassifier:
    """Return the network of a file with its weights. Shapes are compared with the file before memory is allocated."""
    prefix = "" if is_built_in(config.model) else _WRAPPED
    shapes = {name.removeprefix(prefix): shape for name, shape in header.shapes.items() if name.startswith(prefix)}
    try:
        check_options(config.model, config.width, config.classifier, config.stages, config.arguments)
        module = _module_without_weights(config)
        if len(shapes) != len(header.shapes):
            raise _OtherNetworkError(f"the names of its tensors must all begin with {prefix!r}")
        _raise_other_network(meta_device.check_shapes, module, shapes)
        if not is_built_in(config.model) and not is_user_code(config.model):
            meta_device.check_forward_size(module, config.spec.image_shape)
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors_from_bytes(content).items()}
        _raise_other_network(meta_device.load_tensors, module, tensors)
        return _wrap(module, config)
    except ForbiddenModelError as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from None
    except (_OtherNetworkError, SafetensorError) as error:
        raise CheckpointError(
            f"checkpoint {path} does not contain the network that it names ({_in_one_line(error)})"
        ) from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"checkpoint {path} cannot be rebuilt: {_in_one_line(error)}") from None


def _module_without_weights(config: CheckpointConfig) -> nn.Module:
    """Return the module without weights; user code, if RNC_MODELS allows it, creates its own initial weights."""
    builder = partial(build_module, config.model, config.spec, config.width, config.arguments, trusted=False)
    return builder() if is_user_code(config.model) else meta_device.build_on_meta(builder)


def _wrap(module: nn.Module, config: CheckpointConfig) -> models.FeatureClassifier:
    spec = config.spec
    if isinstance(module, models.FeatureClassifier) and is_built_in(config.model):
        return module
    network = models.wrap(
        module, config.classifier, config.stages, image_shape=spec.image_shape, mean=spec.mean, std=spec.std
    )
    network.arguments = config.arguments
    if len(network.weight) != spec.num_classes:
        raise ValueError(
            f"the file names {spec.num_classes} classes, but the network has {len(network.weight)} outputs"
        )
    return network


def _raise_other_network(check: Callable[[nn.Module, Any], None], module: nn.Module, file_content: Any) -> None:
    try:
        check(module, file_content)
    except ValueError as error:
        raise _OtherNetworkError(str(error)) from None


class _OtherNetworkError(Exception):
    """The error of a file whose tensors are not those of the network named in its metadata."""


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
