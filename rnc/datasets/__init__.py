"""Data sets by name: what each is (`spec`) and its images (`load`)."""

from rnc.datasets.image_set import ImageSet
from rnc.datasets.registry import DatasetError, DatasetSpec, data_root, load, names, spec

__all__ = ["DatasetError", "DatasetSpec", "ImageSet", "data_root", "load", "names", "spec"]
