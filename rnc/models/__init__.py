"""Networks by name: `build(name, spec, width)`. Only this module knows the names of the built-in models."""

from collections.abc import Callable

from rnc.datasets import DatasetSpec
from rnc.models.interface import FeatureClassifier
from rnc.models.preact_resnet import preact_resnet18
from rnc.models.small_cnn import small_cnn
from rnc.models.vgg import vgg11_bn
from rnc.models.wrapped import wrap

__all__ = ["FeatureClassifier", "build", "names", "wrap"]

_BUILDERS: dict[str, Callable[[DatasetSpec, float], FeatureClassifier]] = {
    "preact_resnet18": preact_resnet18,
    "small_cnn": small_cnn,
    "vgg11_bn": vgg11_bn,
}


def names() -> list[str]:
    """Return the names of the built-in models."""
    return sorted(_BUILDERS)


def build(name: str, spec: DatasetSpec, width: float = 1.0) -> FeatureClassifier:
    """Return a newly initialised network for a data set, with `width` times the channels of the full network.

    Raises ValueError for an unknown name (listing the known ones), an invalid width, and images that are too small.
    """
    if name not in _BUILDERS:
        raise ValueError(f"unknown model {name!r}; there are: {', '.join(names())}")
    return _BUILDERS[name](spec, width)
