"""Data sets by name: what each is (`spec`) and its images (`load`)."""

from rnc.datasets.registry import DatasetSpec, ImageSet, load, spec

__all__ = ["DatasetSpec", "ImageSet", "load", "spec"]
