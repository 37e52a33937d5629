"""Networks by any name: this house's, `torchvision:resnet18`, `timm:NAME`, `hf:TYPE`, and `module:function` of the user's own.

The last is code. It is imported where somebody typed its name into a command. A name that was read from a file is imported
only where the environment's RNC_MODELS lists its module.
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
"""Modules, parted by commas, that may be imported though only a file names them."""
TORCHVISION = "torchvision"


class ForbiddenModel(ValueError):
    """A file asks for code that nobody allowed."""


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
    """A freshly initialised network for a data set; `typed` says that a person gave the name, not a file.

    `classifier` and `stages` are those of `wrap`, `arguments` what the builder takes beside the number of classes; a network
    of this house has its own. Raises ForbiddenModel, and
    ValueError as `wrap` does and for a name that means nothing.
    """
    check_options(name, width, classifier, stages, arguments)
    given = checked_arguments(arguments or {})
    module = bare_network(name, spec, width, given, typed=typed)
    if isinstance(module, FeatureClassifier) and is_of_house(name):
        return module
    model = wrap(module, classifier, stages, image_shape=spec.image_shape, mean=spec.mean, std=spec.std)
    model.arguments = given
    return model


def bare_network(name: str, spec: DatasetSpec, width: float, arguments: Arguments, *, typed: bool) -> nn.Module:
    """Return the module that a name means, not yet wrapped. Raises as `network` does."""
    if is_of_house(name):
        return _of_house(name, spec, width)
    kind, _colon, inner = name.partition(":")
    return _module(kind, inner, spec, arguments, typed)


def is_of_house(name: str) -> bool:
    """Return whether the name is that of a network of this program, not of torchvision or of the user's code."""
    return ":" not in name


def is_of_user(name: str) -> bool:
    """Return whether the name is `module:function`, code of the user's own."""
    return not is_of_house(name) and name.partition(":")[0] not in (TORCHVISION, TIMM, HUGGING_FACE)


def check_options(
    name: str, width: float, classifier: str | None, stages: Sequence[str] | None, arguments: Arguments | None
) -> None:
    """Raise ValueError for options that the named network does not have."""
    if is_of_house(name) and (classifier is not None or stages is not None or arguments):
        raise ValueError(
            f"{name} is a network of this house, with stages, a classifier and options of its own; leave them out"
        )
    if not is_of_house(name) and width != 1.0:
        raise ValueError(f"width is for networks of this house, {name} has none; leave it out")


def wrap_arguments(model: FeatureClassifier) -> dict[str, Any]:
    """What `network` needs to wrap the same module in the same way; nothing for a network of this house."""
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

    there = theirs.list_models(module=theirs)  # (classifiers alone: others would download their backbones)
    if name not in there:
        raise ValueError(f"torchvision has no classifier {name!r}; it has: {', '.join(there)}")
    refuse_loading(arguments, f"torchvision:{name}")
    try:
        return theirs.get_model(name, weights=None, **{"num_classes": spec.num_classes} | arguments)
    except Exception as error:
        raise ValueError(f"torchvision:{name} cannot be built: {error}") from error


def _of_user(module_name: str, function: str, spec: DatasetSpec, arguments: Arguments, typed: bool) -> nn.Module:
    """What the user's function gives: called with the options, and with `num_classes` where it takes that."""
    if not typed and module_name not in _allowed():
        raise ForbiddenModel(
            f"the network is code of module {module_name!r}, named by a file; it is run only where you allow it: "
            f"start with {ALLOWED_VARIABLE}={module_name}"
        )
    try:
        make = getattr(importlib.import_module(module_name), function)
        module = call_builder(make, spec.num_classes, arguments)
    except Exception as error:  # (whatever the user's code raises)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"model {module_name}:{function} cannot be built ({reason}); it is module:function") from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{module_name}:{function} gives {type(module).__name__}, not a torch.nn.Module")
    return module


def _allowed() -> list[str]:
    return [name.strip() for name in os.environ.get(ALLOWED_VARIABLE, "").split(",") if name.strip()]
