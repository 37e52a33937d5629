"""The config in a checkpoint's metadata: the description of the network, checked fully before anything is built from it.

Tested by tests/rnc/models/test_weights.py.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from rnc import datasets
from rnc.datasets import DatasetSpec
from rnc.models.library_networks import Arguments, check_arguments

MOST_CLASSES = 100_000
MOST_STAGES = 1_000
MOST_ARGUMENT = 100_000
"""The largest number allowed among a builder's options in a file."""
MOST_WIDTH = 1_000.0
MOST_SIDE = 4_096
"""Largest image side in pixels; the limit for the user's own images is the same (`datasets.custom`)."""
MOST_CHANNELS = 16
MOST_PIXELS = 2**24
"""Largest number of values in one image."""


class ConfigMissingError(ValueError):
    """The error of metadata without a config: the file is not a checkpoint of this program."""


@dataclass(frozen=True)
class CheckpointConfig:
    """The description from which a network is rebuilt."""

    model: str
    """A name that `factory.build` accepts."""
    spec: DatasetSpec
    width: float
    classifier: str | None
    """The linear layer of a wrapped network."""
    stages: list[str] | None
    """The stages of a wrapped network."""
    arguments: Arguments
    """Options of the function that builds a wrapped network."""


def read_config(metadata: dict[str, Any]) -> CheckpointConfig:
    """Return the checked config. Raises ConfigMissingError if there is none, and ValueError for an invalid value."""
    try:
        config = json.loads(metadata["config"])
    except KeyError:
        raise ConfigMissingError("there is no entry 'config'") from None
    except (TypeError, ValueError, RecursionError):
        raise ConfigMissingError("the entry 'config' is not JSON") from None
    if not isinstance(config, dict) or "dataset" not in config or "model" not in config:
        raise ConfigMissingError("the entry 'config' does not name a dataset and a model")
    dataset, model = _text("dataset", config["dataset"]), _text("model", config["model"])
    width = _number("width", config.get("width", 1.0))
    if not 0 < width <= MOST_WIDTH:
        raise ValueError(f"width must be greater than 0 and at most {MOST_WIDTH:g}, got {width:g}")
    spec = datasets.spec(dataset) if config.get("spec") is None else _spec(dataset, config["spec"])
    if spec.num_classes > MOST_CLASSES:
        raise ValueError(f"the file names {spec.num_classes:,} classes; at most {MOST_CLASSES:,} are allowed")
    wrap = config.get("wrap") or {}
    if not isinstance(wrap, dict) or set(wrap) - {"classifier", "stages", "arguments"}:
        raise ValueError("wrap must be an object with 'classifier', 'stages' and 'arguments' only")
    classifier, stages = wrap.get("classifier"), wrap.get("stages")
    return CheckpointConfig(
        model=model,
        spec=spec,
        width=width,
        classifier=None if classifier is None else _text("classifier", classifier),
        stages=None if stages is None else _texts("stages", stages, MOST_STAGES),
        arguments=_arguments(wrap.get("arguments") or {}),
    )


def _arguments(options: Any) -> Arguments:
    """Return the checked options of a builder; every number is bounded, because it could become a size or a loop count."""
    arguments = check_arguments(options)

    def check(value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                check(item)
        elif isinstance(value, int | float) and abs(value) > MOST_ARGUMENT:
            raise ValueError(f"options of a network are at most {MOST_ARGUMENT:,}, got {value}")

    check(list(arguments.values()))
    return arguments


def _spec(dataset: str, entry: Any) -> DatasetSpec:
    if not isinstance(entry, dict):
        raise ValueError(f"spec must be an object, got {type(entry).__name__}")
    missing = [name for name in ("classes", "image_shape", "mean", "std") if name not in entry]
    if missing:
        raise ValueError(f"spec has no {', '.join(missing)}")
    classes = _texts("classes", entry["classes"], MOST_CLASSES)
    shape = entry["image_shape"]
    if not isinstance(shape, list) or len(shape) != 3 or not all(type(size) is int for size in shape):
        raise ValueError("image_shape must be three whole numbers: channels, height, width")
    channels, height, width = shape
    if not (1 <= channels <= MOST_CHANNELS and 1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
        raise ValueError(
            f"images may have 1 to {MOST_CHANNELS} channels and 1 to {MOST_SIDE} pixels a side, got {tuple(shape)}"
        )
    if math.prod(shape) > MOST_PIXELS:
        raise ValueError(f"an image may have at most {MOST_PIXELS:,} values, {tuple(shape)} has {math.prod(shape):,}")
    mean, std = (_numbers(name, entry[name], channels) for name in ("mean", "std"))
    if min(std) <= 0:
        raise ValueError("std must be greater than 0")
    return DatasetSpec(dataset, tuple(classes), (channels, height, width), tuple(mean), tuple(std))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, got {type(value).__name__}")
    return value


def _texts(name: str, value: Any, most: int) -> list[str]:
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of at most {most:,} strings")
    return value


def _number(name: str, value: Any) -> float:
    """Return a finite float; Python's JSON also allows NaN, Infinity and whole numbers too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number")
    return number


def _numbers(name: str, value: Any, channels: int) -> list[float]:
    if not isinstance(value, list) or len(value) not in (1, channels):
        raise ValueError(f"{name} must be a list of one number, or of one for each of {channels} channels")
    return [_number(name, item) for item in value]
