"""Networks by any name: built-in, `torchvision:resnet18`, `timm:NAME`, `hf:TYPE`, and `module:function` of the user's code.

The last form executes code. The module is imported if the user typed its name in a command. If the name was read from a
file, the module is imported only if the environment variable RNC_MODELS lists it.
"""

import importlib
import os
from collections.abc import Sequence
from typing import Any

from torch import nn

from rnc import models
from rnc.datasets import DatasetSpec
from rnc.models.builders import (
    HUGGING_FACE,
    TIMM,
    Arguments,
    call_builder,
    checked_arguments,
    of_hugging_face,
    of_timm,
    refuse_loading,
)
from rnc.models.interface import FeatureClassifier
from rnc.models.wrapped import WrappedClassifier, wrap

ALLOWED_VARIABLE = "RNC_MODELS"
"""Environment variable with modules, separated by commas, that may be imported even if only a file names them."""
TORCHVISION = "torchvision"


class ForbiddenModel(ValueError):
    """The error of a file that requires code which is not allowed."""


def network(
    name: str,
    spec: DatasetSpec,
    width: float = 1.0,
    *,
    classifier: str | None = None,
    stages: Sequence[str] | None = None,
    arguments: Arguments | None = None,
    typed: bool,
) -> FeatureClassifier:
    """Return a newly initialised network for a data set; `typed` is true if the user gave the name, false if a file did.

    `classifier` and `stages` are those of `wrap`, `arguments` those of the builder besides the number of classes; a
    built-in network accepts none of them. Raises ForbiddenModel, and ValueError like `wrap` and for an unknown name.
    """
    check_options(name, width, classifier, stages, arguments)
    given = checked_arguments(arguments or {})
    module = bare_network(name, spec, width, given, typed=typed)
    if isinstance(module, FeatureClassifier) and is_built_in(name):
        return module
    model = wrap(module, classifier, stages, image_shape=spec.image_shape, mean=spec.mean, std=spec.std)
    model.arguments = given
    return model


def bare_network(name: str, spec: DatasetSpec, width: float, arguments: Arguments, *, typed: bool) -> nn.Module:
    """Return the module that a name stands for, not yet wrapped. Raises errors like `network`."""
    if is_built_in(name):
        return _of_house(name, spec, width)
    kind, _colon, inner = name.partition(":")
    return _module(kind, inner, spec, arguments, typed)


def is_built_in(name: str) -> bool:
    """Return whether the name is that of a built-in network, not of a library or of the user's code."""
    return ":" not in name


def is_user_code(name: str) -> bool:
    """Return whether the name is `module:function`, the user's own code."""
    return not is_built_in(name) and name.partition(":")[0] not in (TORCHVISION, TIMM, HUGGING_FACE)


def check_options(
    name: str, width: float, classifier: str | None, stages: Sequence[str] | None, arguments: Arguments | None
) -> None:
    """Raise ValueError for options that the named network does not have."""
    if is_built_in(name) and (classifier is not None or stages is not None or arguments):
        raise ValueError(
            f"{name} is a network of this house, with stages, a classifier and options of its own; leave them out"
        )
    if not is_built_in(name) and width != 1.0:
        raise ValueError(f"width is for networks of this house, {name} has none; leave it out")


def wrap_arguments(model: FeatureClassifier) -> dict[str, Any]:
    """Return the arguments with which `network` wraps the same module in the same way; empty for a built-in network."""
    if isinstance(model, WrappedClassifier):
        built = {"arguments": model.arguments} if model.arguments else {}
        return {"classifier": model.classifier_name, "stages": model.stage_names} | built
    return {}


def _module(kind: str, name: str, spec: DatasetSpec, arguments: Arguments, typed: bool) -> nn.Module:
    if kind == TORCHVISION:
        return _of_torchvision(name, spec, arguments)
    if kind == TIMM:
        return of_timm(name, spec, arguments)
    if kind == HUGGING_FACE:
        return of_hugging_face(name, spec, arguments)
    return _of_user(kind, name, spec, arguments, typed)


def _of_house(name: str, spec: DatasetSpec, width: float) -> FeatureClassifier:
    if name not in models.names():
        raise ValueError(
            f"unknown model {name!r}; there are: {', '.join(models.names())}, those of torchvision such as "
            "torchvision:resnet18, of timm as timm:NAME, of transformers as hf:TYPE, and your own as module:function"
        )
    return models.build(name, spec, width)


def _of_torchvision(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    from torchvision import models as theirs

    there = theirs.list_models(module=theirs)  # classifiers only: other models would download their backbones
    if name not in there:
        raise ValueError(f"torchvision has no classifier {name!r}; it has: {', '.join(there)}")
    refuse_loading(arguments, f"torchvision:{name}")
    try:
        return theirs.get_model(name, weights=None, **{"num_classes": spec.num_classes} | arguments)
    except Exception as error:
        raise ValueError(f"torchvision:{name} cannot be built: {error}") from error


def _of_user(module_name: str, function: str, spec: DatasetSpec, arguments: Arguments, typed: bool) -> nn.Module:
    """Return the module made by the user's function, called with the options, and with `num_classes` if it accepts that."""
    if not typed and module_name not in _allowed():
        raise ForbiddenModel(
            f"the network is code of module {module_name!r}, named by a file; it is run only where you allow it: "
            f"start with {ALLOWED_VARIABLE}={module_name}"
        )
    try:
        make = getattr(importlib.import_module(module_name), function)
        module = call_builder(make, spec.num_classes, arguments)
    except Exception as error:  # the user's code may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"model {module_name}:{function} cannot be built ({reason}); it is module:function") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{module_name}:{function} gives {type(module).__name__}, not a torch.nn.Module")
    return module


def _allowed() -> list[str]:
    return [name.strip() for name in os.environ.get(ALLOWED_VARIABLE, "").split(",") if name.strip()]
