"""Data sets by name: their properties (`spec`), their images (`load`), and selected images without torch (`load_subset`)."""

from rnc.datasets.image_set import ImageSet
from rnc.datasets.registry import DatasetError, DatasetSpec, data_root, load, load_subset, names, spec

__all__ = ["DatasetError", "DatasetSpec", "ImageSet", "data_root", "load", "load_subset", "names", "spec"]
