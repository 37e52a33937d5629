"""Model files: safetensors with the run's config in the metadata, written so that a crash leaves no half file."""

import hashlib
import json
import math
import os
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes

from rnc import datasets, models
from rnc.datasets import DatasetSpec
from rnc.models.architecture import ForbiddenModel, network, wrap_arguments
from rnc.safe_paths import open_new_file

_SPEC = ("classes", "image_shape", "mean", "std")
_MOST_PIXELS = 2**24
"""Of one image that a network may be rebuilt for."""


class CheckpointError(Exception):
    """A model file that is missing, damaged or not the one that the store speaks of."""


def save(model: models.FeatureClassifier, path: Path, metadata: dict) -> str:
    """Write the state dict and `metadata` (a JSON object with `dataset` and `model`); return the file's SHA-256.

    The bytes reach the disk under another name first and are renamed, so that `path` is whole or absent.
    """
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    content = tensors_to_bytes(state, metadata={"config": json.dumps(metadata)})
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent, whatever happens. Raises CheckpointError where the disk refuses."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new_file(partial) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path} cannot be written ({error.strerror or error}); "
            "free space or allow writing there, then start the same command again: it goes on"
        ) from None


def load(path: Path, sha256: str) -> models.FeatureClassifier:
    """Rebuild the network of a model file, in eval mode, on the CPU.

    Raises CheckpointError where the file is missing, carries no config, its SHA-256 is not the given one, or it names code
    of somebody's own that RNC_MODELS does not allow.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read ({error.strerror}); train the run again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CheckpointError(
            f"checkpoint {path} is not the file that the store recorded: its SHA-256 is {found[:12]}…, "
            f"the store says {sha256[:12]}…; restore the file or train the run again with --overwrite"
        )
    config = _metadata(path)
    model = _rebuilt(config, path)
    try:
        model.load_state_dict(tensors_from_bytes(content))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"checkpoint {path} is not of the network that it names ({reason})") from None
    return model.eval()


def network_metadata(name: str, spec: DatasetSpec, width: float, model: models.FeatureClassifier) -> dict:
    """What `load` rebuilds a network by that was not made for a data set of this house."""
    made_for = {field: getattr(spec, field) for field in _SPEC}
    return {"dataset": spec.name, "model": name, "width": width, "spec": made_for, "wrap": wrap_arguments(model)}


def _rebuilt(config: dict, path: Path) -> models.FeatureClassifier:
    """A fresh network of a file's config. Raises CheckpointError where it makes no sense or asks for code."""
    if config["spec"] is None:
        return models.build(config["model"], datasets.spec(config["dataset"]), config["width"])
    try:
        classes, shape, mean, std = (tuple(config["spec"][name]) for name in _SPEC)
        spec = DatasetSpec(config["dataset"], classes, shape, mean, std)
        if math.prod(spec.image_shape) > _MOST_PIXELS or len(spec.image_shape) != 3:
            raise ValueError(f"images of shape {spec.image_shape}")
        return network(config["model"], spec, config["width"], typed=False, **config["wrap"])
    except ForbiddenModel as error:
        raise CheckpointError(f"checkpoint {path}: {error}") from None
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {path} cannot be rebuilt: {error}") from None


def _metadata(path: Path) -> dict:
    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads(file.metadata()["config"])
            found = {"dataset": config["dataset"], "model": config["model"], "width": config.get("width", 1.0)}
            return found | {"spec": config.get("spec"), "wrap": config.get("wrap") or {}}
    except (SafetensorError, KeyError, TypeError, ValueError) as error:  # ValueError: a config that is no JSON
        raise CheckpointError(f"checkpoint {path} carries no config in its metadata: {error}") from None
