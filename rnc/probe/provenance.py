"""The provenance of a run: device, threads, host, commit and versions.

Tested by tests/train/test_measure.py.
"""

import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from rnc.datasets import ImageSet
from rnc.vocabulary import Split

_PACKAGES = ("torch", "torchvision", "numpy", "duckdb", "scikit-learn", "umap-learn")


def provenance(device: torch.device, threads: int, execution: str, sets: dict[Split, ImageSet]) -> dict[str, Any]:
    """Return the columns of table `run` that describe the machine, the code and the images of a run."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "device": f"{device.type} ({name})",
        "execution": execution,
        "data": {split: {"images": len(part), "fingerprint": part.fingerprint()} for split, part in sets.items()},
        "threads": threads,
        "host": socket.gethostname(),
        "git_commit": _git_commit(),
        "versions": {"python": platform.python_version()} | {package: _version(package) for package in _PACKAGES},
    }


def _git_commit() -> str | None:
    """Return the commit of this code, with `+` if the working tree differs from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
        completed = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
