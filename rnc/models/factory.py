"""Networks by name: built-in, `torchvision:resnet18`, `timm:NAME`, `hf:TYPE`, and `module:function` of the user's code.

The last form executes code. The module is imported if the name is trusted, because the user entered it in a command. If
the name was read from a file, the module is imported only if the environment variable RNC_MODELS lists it.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from rnc.datasets import DatasetSpec
from rnc.models.interface import FeatureClassifier
from rnc.models.library_networks import (
    HUGGING_FACE,
    TIMM,
    Arguments,
    build_hugging_face,
    build_timm,
    call_builder,
    check_arguments,
    refuse_loading,
)
from rnc.models.preact_resnet import preact_resnet18
from rnc.models.small_cnn import small_cnn
from rnc.models.vgg import vgg11_bn
from rnc.models.wrapped import WrappedClassifier, wrap

ALLOWED_VARIABLE = "RNC_MODELS"
"""Environment variable with modules, separated by commas, that may be imported even if only a file names them."""
TORCHVISION = "torchvision"
_BUILT_IN: dict[str, Callable[[DatasetSpec, float], FeatureClassifier]] = {
    "preact_resnet18": preact_resnet18,
    "small_cnn": small_cnn,
    "vgg11_bn": vgg11_bn,
}


class ForbiddenModelError(ValueError):
    """The error of a file that requires code which is not allowed."""


def names() -> list[str]:
    """Return the names of the built-in networks."""
    return sorted(_BUILT_IN)


def build(
    name: str,
    spec: DatasetSpec,
    width: float = 1.0,
    *,
    classifier: str | None = None,
    stages: Sequence[str] | None = None,
    arguments: Arguments | None = None,
    trusted: bool = False,
) -> FeatureClassifier:
    """Return a newly initialised network for a data set; `trusted` is true if the user entered the name in a command.

    A built-in network has `width` times the channels of the full one, and accepts no other options. For all others,
    `classifier` and `stages` are those of `wrap`, and `arguments` those of the builder besides the number of classes.
    Raises ForbiddenModelError, and ValueError like `wrap` and for an unknown name (listing the known ones), an invalid
    width, and images that are too small.
    """
    check_options(name, width, classifier, stages, arguments)
    checked = check_arguments(arguments or {})
    module = build_module(name, spec, width, checked, trusted=trusted)
    if isinstance(module, FeatureClassifier) and is_built_in(name):
        return module
    model = wrap(module, classifier, stages, image_shape=spec.image_shape, mean=spec.mean, std=spec.std)
    model.arguments = checked
    return model


def build_module(name: str, spec: DatasetSpec, width: float, arguments: Arguments, *, trusted: bool) -> nn.Module:
    """Return the module that a name stands for, not yet wrapped. Raises errors like `build`."""
    if is_built_in(name):
        return _build_built_in(name, spec, width)
    library, _colon, inner_name = name.partition(":")
    if library == TORCHVISION:
        return _build_torchvision(inner_name, spec, arguments)
    if library == TIMM:
        return build_timm(inner_name, spec, arguments)
    if library == HUGGING_FACE:
        return build_hugging_face(inner_name, spec, arguments)
    return _build_user_code(library, inner_name, spec, arguments, trusted)


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
            f"{name} is a built-in network, whose stages, classifier and options are fixed; leave these options out"
        )
    if not is_built_in(name) and width != 1.0:
        raise ValueError(f"width applies only to built-in networks, and {name} is not one; leave it out")


def wrap_arguments(model: FeatureClassifier) -> dict[str, Any]:
    """Return the arguments with which `build` wraps the same module in the same way; empty for a built-in network."""
    if isinstance(model, WrappedClassifier):
        builder_arguments = {"arguments": model.arguments} if model.arguments else {}
        return {"classifier": model.classifier_name, "stages": model.stage_names} | builder_arguments
    return {}


def _build_built_in(name: str, spec: DatasetSpec, width: float) -> FeatureClassifier:
    if name not in _BUILT_IN:
        raise ValueError(
            f"unknown model {name!r}; there are: {', '.join(names())}, those of torchvision such as "
            "torchvision:resnet18, of timm as timm:NAME, of transformers as hf:TYPE, and your own as module:function"
        )
    return _BUILT_IN[name](spec, width)


def _build_torchvision(name: str, spec: DatasetSpec, arguments: Arguments) -> nn.Module:
    from torchvision import models

    available = models.list_models(module=models)  # classifiers only: other models would download their backbones
    if name not in available:
        raise ValueError(f"torchvision has no classifier {name!r}; it has: {', '.join(available)}")
    refuse_loading(arguments, f"torchvision:{name}")
    try:
        return models.get_model(name, weights=None, **{"num_classes": spec.num_classes} | arguments)
    except Exception as error:
        raise ValueError(f"torchvision:{name} cannot be built: {error}") from error


def _build_user_code(
    module_name: str, function: str, spec: DatasetSpec, arguments: Arguments, trusted: bool
) -> nn.Module:
    """Return the module made by the user's function, called with the options, and with `num_classes` if it accepts that."""
    if not trusted and module_name not in _allowed_modules():
        raise ForbiddenModelError(
            f"the network is code of module {module_name!r}, which is named by a file and therefore not run; if you trust it, "
            f"start with {ALLOWED_VARIABLE}={module_name}"
        )
    try:
        builder = getattr(importlib.import_module(module_name), function)
        module = call_builder(builder, spec.num_classes, arguments)
    except Exception as error:  # the user's code may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"model {module_name}:{function} cannot be built ({reason}); give the name of a module and of a function in it"
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{module_name}:{function} returns {type(module).__name__}, not a torch.nn.Module")
    return module


def _allowed_modules() -> list[str]:
    return [name.strip() for name in os.environ.get(ALLOWED_VARIABLE, "").split(",") if name.strip()]
