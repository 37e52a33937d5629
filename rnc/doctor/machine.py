"""Findings that do not depend on the store: versions, device, threads, data sets.

Tested by tests/rnc/doctor/test_doctor.py.
"""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rnc import datasets
from rnc.datasets import image_folder, parquet_folder, torchvision_download
from rnc.datasets.specs import DatasetError
from rnc.device_and_threads import cores, pick_device
from rnc.doctor.finding import Finding, Level
from rnc.vocabulary import Split

_PACKAGES = (
    "torch",
    "torchvision",
    "streamlit",
    "altair",
    "duckdb",
    "pyarrow",
    "numpy",
    "pandas",
    "scikit-learn",
    "umap-learn",
    "safetensors",
    "tyro",
    "vl-convert-python",
)


def examine_machine() -> Iterator[Finding]:
    """Yield the installed versions, missing packages, the device of networks, and the number of threads."""
    versions = {package: _version(package) for package in _PACKAGES}
    installed = ", ".join(f"{package} {number}" for package, number in versions.items() if number)
    yield Finding(
        Level.OK, f"python {platform.python_version()} on {platform.system()} {platform.machine()}; {installed}"
    )
    for package in (package for package, number in versions.items() if number is None):
        yield Finding(Level.TROUBLE, f"{package} is not installed: pip install -r requirements.txt")
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Finding(
        Level.OK,
        f"device {pick_device()}, {cores()} cores for this process"
        + (f", OMP_NUM_THREADS={threads}" if threads else "; small networks train on one thread"),
    )


def examine_datasets(root: Path) -> Iterator[Finding]:
    """Yield which data sets are present; nothing is decoded or downloaded."""
    present = []
    for name in datasets.names():
        try:
            if place := _place(name, root):
                present.append(f"{name} ({place})")
        except DatasetError as error:
            yield Finding(Level.TROUBLE, f"data set {name}: {error}")
    missing = [name for name in datasets.names() if not any(place.startswith(f"{name} ") for place in present)]
    yield Finding(Level.OK, f"data sets found under {root}: {', '.join(present)}")
    if missing:
        yield Finding(
            Level.NOTE, f"missing data sets, which are downloaded when they are first used: {', '.join(missing)}"
        )


def _place(name: str, root: Path) -> str | None:
    """Return the location of a data set's images, or None."""
    if name == "digits":
        return "bundled"
    spec = datasets.spec(name)
    for find in (parquet_folder.find, image_folder.find):
        source = find(spec, Split.TRAIN, root)
        if source is not None:
            return str(source)
    return torchvision_download.unpacked_folder(spec, root)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
