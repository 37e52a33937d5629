"""Networks by name: `build(name, spec, width)`. The only place that knows model names."""

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
    """The models there are."""
    return sorted(_BUILDERS)


def build(name: str, spec: DatasetSpec, width: float = 1.0) -> FeatureClassifier:
    """A freshly initialised network for a data set, with `width` times the channels of the full one.

    Raises ValueError for a name that does not exist (with those that do), a bad width, and images too small for it.
    """
    if name not in _BUILDERS:
        raise ValueError(f"unknown model {name!r}; there are: {', '.join(names())}")
    return _BUILDERS[name](spec, width)
