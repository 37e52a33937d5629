"""Networks by name: `build(name, spec)`. The only place that knows model names."""

from collections.abc import Callable

from rnc.datasets import DatasetSpec
from rnc.models.interface import FeatureClassifier
from rnc.models.small_cnn import small_cnn

__all__ = ["FeatureClassifier", "build", "names"]

_BUILDERS: dict[str, Callable[[DatasetSpec], FeatureClassifier]] = {"small_cnn": small_cnn}


def names() -> list[str]:
    """The models there are."""
    return sorted(_BUILDERS)


def build(name: str, spec: DatasetSpec) -> FeatureClassifier:
    """A freshly initialised network for a data set. Raises ValueError with the names there are."""
    if name not in _BUILDERS:
        raise ValueError(f"unknown model {name!r}; there are: {', '.join(names())}")
    return _BUILDERS[name](spec)
