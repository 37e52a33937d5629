"""Networks by name: `build(name, spec, width)`, or `wrap` for a module that already exists."""

from rnc.models.factory import build, names
from rnc.models.interface import FeatureClassifier
from rnc.models.wrapped import wrap

__all__ = ["FeatureClassifier", "build", "names", "wrap"]
