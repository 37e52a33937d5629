"""Networks of other libraries, built with random weights without downloads. Options are `key=value` with Python literals.

Tests: tests/rnc/models/test_library_networks.py, with stand-ins for libraries that are not installed.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from rnc.datasets import DatasetSpec

TIMM, HUGGING_FACE = "timm", "hf"
_LOADS = re.compile(
    r"pretrained|checkpoint|weights|cache_dir|trust_remote_code|url|name_or_path|^token$", re.IGNORECASE
)
"""Options that would read files or download."""
_MOST_ARGUMENTS, _MOST_TEXT, _MOST_DEPTH = 50, 200, 4
_CLOSEST = 12
Arguments = dict[str, Any]


def parse_arguments(texts: Sequence[str]) -> Arguments:
    """Return the options of `key=value` texts: values are Python literals, or plain words. Raises ValueError."""
    arguments: Arguments = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or key in arguments:
            raise ValueError(f"model_args must be key=value, each key once, such as in_channels=3; got {text!r}")
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            if not re.fullmatch(r"[A-Za-z_][\w.-]*", value):
                raise ValueError(
                    f"model_args: the value {value!r} of {key} is neither a Python literal nor a word"
                ) from None
            arguments[key] = value
    return check_arguments(arguments)


def check_arguments(arguments: Any) -> Arguments:
    """Return options that may be passed to a builder, with tuples as lists, as in JSON.

    Raises ValueError unless the input is a dict of names and plain values, and for options that read files or download.
    """
    if not isinstance(arguments, dict) or len(arguments) > _MOST_ARGUMENTS:
        raise ValueError(f"a network may have at most {_MOST_ARGUMENTS} options, given by name")
    for key in arguments:
        if not (isinstance(key, str) and key.isidentifier() and len(key) <= _MOST_TEXT):
            raise ValueError(f"{str(key)[:80]!r} cannot be the name of an option of a network")
    return {key: _plain_value(value, key, _MOST_DEPTH) for key, value in arguments.items()}


def refuse_loading(arguments: Arguments, name: str) -> None:
    """Raise ValueError for options with which a library reads weights or downloads: files are given by --checkpoint."""
    loading = [key for key in arguments if _LOADS.search(key)]
    if loading:
        raise ValueError(
            f"{name}: {', '.join(loading)} would load weights or files, which is not allowed; give weights with --checkpoint"
        )


def call_builder(builder: Callable[..., Any], num_classes: int, arguments: Arguments) -> Any:
    """Call a function with options, and with `num_classes` if it accepts that or any name, unless the options contain it."""
    parameters = inspect.signature(builder).parameters.values()
    has_num_classes = any(parameter.name == "num_classes" for parameter in parameters)
    has_any_keyword = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    if "num_classes" in arguments or not (has_num_classes or has_any_keyword):
        return builder(**arguments)
    try:
        return builder(num_classes=num_classes, **arguments)
    except TypeError as error:
        if has_num_classes or "num_classes" not in str(error):
            raise
        return builder(**arguments)  # it passes its options to a function without this name


def build_timm(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    """Return a network of timm. Raises ValueError if timm is not installed, has no such network or cannot build it."""
    timm = _library("timm", TIMM)
    refuse_loading(arguments, f"{TIMM}:{name}")
    available = timm.list_models()
    if name not in available:
        raise ValueError(f"timm has no network {name!r}; it has: {_closest_names(name, available)}")
    options = {"num_classes": spec.num_classes, "in_chans": spec.image_shape[0]} | arguments
    return _checked_module(f"{TIMM}:{name}", lambda: timm.create_model(name, pretrained=False, **options))


def build_hugging_face(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    """Return a classifier of transformers by its model type, such as resnet or vit, from a config. Raises ValueError."""
    transformers = _library("transformers", HUGGING_FACE)
    refuse_loading(arguments, f"{HUGGING_FACE}:{name}")
    mappings = importlib.import_module("transformers.models.auto.modeling_auto")
    available = list(mappings.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)
    if name not in available:
        raise ValueError(
            f"transformers has no image classifier of type {name!r}; it has: {_closest_names(name, available)}"
        )

    def build() -> Any:
        config = transformers.AutoConfig.for_model(name)
        image_options = {"num_channels": spec.image_shape[0], "image_size": spec.image_shape[1]}
        options = {key: value for key, value in image_options.items() if hasattr(config, key)} | arguments
        unknown = [key for key in arguments if not hasattr(config, key)]
        if unknown:
            raise ValueError(f"its config has no options {', '.join(unknown)}")
        config = transformers.AutoConfig.for_model(name, num_labels=spec.num_classes, **options)
        return transformers.AutoModelForImageClassification.from_config(config)

    return _checked_module(f"{HUGGING_FACE}:{name}", build)


def _plain_value(value: Any, key: str, depth: int) -> Any:
    if isinstance(value, tuple | list) and depth:
        return [_plain_value(item, key, depth - 1) for item in value[: _MOST_TEXT + 1]]
    if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MOST_TEXT):
        return value
    raise ValueError(f"option {key} of a network must be a number, a word, True, False, None or a list of these")


def _library(module: str, prefix: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{prefix}:NAME needs the package {module}, which is not installed: pip install {module}"
        ) from error


def _checked_module(name: str, build: Callable[[], Any]) -> nn.Module:
    try:
        module = build()
    except Exception as error:  # the library may raise anything
        raise ValueError(f"{name} cannot be built: {' '.join(str(error).split())[:400]}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name} returns {type(module).__name__}, not a torch.nn.Module")
    return module


def _closest_names(name: str, available: list[str]) -> str:
    from difflib import get_close_matches

    closest = get_close_matches(name, available, n=_CLOSEST, cutoff=0.4) or available[:_CLOSEST]
    return f"{', '.join(closest)} and {len(available) - len(closest)} more"
