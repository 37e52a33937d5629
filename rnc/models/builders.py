"""Networks of other libraries, built with random weights without downloads. Options are `key=value` with Python literals.

Tests: tests/rnc/models/test_builders.py, with stand-ins for libraries that are not installed.
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


def parsed_arguments(texts: Sequence[str]) -> Arguments:
    """Return the options of `key=value` texts: values are Python literals, or plain words. Raises ValueError."""
    found: Arguments = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or key in found:
            raise ValueError(f"model_args must be key=value, each key once, such as in_channels=3; got {text!r}")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            if not re.fullmatch(r"[A-Za-z_][\w.-]*", value):
                raise ValueError(f"model_args: {value!r} of {key} is neither a Python literal nor a word") from None
            found[key] = value
    return checked_arguments(found)


def checked_arguments(given: Any) -> Arguments:
    """Return options that may be passed to a builder, with tuples as lists, as in JSON.

    Raises ValueError unless the input is a dict of names and plain values, and for options that read files or download.
    """
    if not isinstance(given, dict) or len(given) > _MOST_ARGUMENTS:
        raise ValueError(f"the options of a network must be at most {_MOST_ARGUMENTS} names and values")
    for key in given:
        if not (isinstance(key, str) and key.isidentifier() and len(key) <= _MOST_TEXT):
            raise ValueError(f"{str(key)[:80]!r} cannot be the name of an option of a network")
    return {key: _plain(value, key, _MOST_DEPTH) for key, value in given.items()}


def refuse_loading(given: Arguments, name: str) -> None:
    """Raise ValueError for options with which a library reads weights or downloads: files are given by --checkpoint."""
    loading = [key for key in given if _LOADS.search(key)]
    if loading:
        raise ValueError(f"{name}: {', '.join(loading)} would load weights or files; weights are given by --checkpoint")


def call_builder(make: Callable[..., Any], num_classes: int, arguments: Arguments) -> Any:
    """Call a function with options, and with `num_classes` if it accepts that or any name, unless the options contain it."""
    takes = inspect.signature(make).parameters.values()
    named = any(parameter.name == "num_classes" for parameter in takes)
    anything = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in takes)
    if "num_classes" in arguments or not (named or anything):
        return make(**arguments)
    try:
        return make(num_classes=num_classes, **arguments)
    except TypeError as error:
        if named or "num_classes" not in str(error):
            raise
        return make(**arguments)  # it passes its options to a function without this name


def of_timm(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    """Return a network of timm. Raises ValueError if timm is not installed, has no such network or cannot build it."""
    timm = _library("timm", TIMM)
    refuse_loading(arguments, f"{TIMM}:{name}")
    there = timm.list_models()
    if name not in there:
        raise ValueError(f"timm has no network {name!r}; it has: {_closest(name, there)}")
    options = {"num_classes": spec.num_classes, "in_chans": spec.image_shape[0]} | arguments
    return _built(f"{TIMM}:{name}", lambda: timm.create_model(name, pretrained=False, **options))


def of_hugging_face(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    """Return a classifier of transformers by its model type, such as resnet or vit, from a config. Raises ValueError."""
    transformers = _library("transformers", HUGGING_FACE)
    refuse_loading(arguments, f"{HUGGING_FACE}:{name}")
    kinds = importlib.import_module("transformers.models.auto.modeling_auto")
    there = list(kinds.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES)
    if name not in there:
        raise ValueError(f"transformers has no image classifier of type {name!r}; it has: {_closest(name, there)}")

    def build() -> Any:
        config = transformers.AutoConfig.for_model(name)
        fitting = {"num_channels": spec.image_shape[0], "image_size": spec.image_shape[1]}
        options = {key: value for key, value in fitting.items() if hasattr(config, key)} | arguments
        unknown = [key for key in arguments if not hasattr(config, key)]
        if unknown:
            raise ValueError(f"its config has no {', '.join(unknown)}")
        config = transformers.AutoConfig.for_model(name, num_labels=spec.num_classes, **options)
        return transformers.AutoModelForImageClassification.from_config(config)

    return _built(f"{HUGGING_FACE}:{name}", build)


def _plain(value: Any, key: str, depth: int) -> Any:
    if isinstance(value, tuple | list) and depth:
        return [_plain(item, key, depth - 1) for item in value[: _MOST_TEXT + 1]]
    if value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MOST_TEXT):
        return value
    raise ValueError(f"option {key} of a network must be a number, a word, True, False, None or a list of these")


def _library(module: str, kind: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{kind}:NAME needs the package {module}, which is not installed: pip install {module}"
        ) from error


def _built(name: str, build: Callable[[], Any]) -> nn.Module:
    try:
        module = build()
    except Exception as error:  # the library may raise anything
        raise ValueError(f"{name} cannot be built: {' '.join(str(error).split())[:400]}") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name} gives {type(module).__name__}, not a torch.nn.Module")
    return module


def _closest(name: str, there: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, there, n=_CLOSEST, cutoff=0.4) or there[:_CLOSEST]
    return f"{', '.join(close)} and {len(there) - len(close)} more"
