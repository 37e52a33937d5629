"""The machine that a benchmark runs on, and how it takes the time."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from rnc.device_and_threads import cores


def seconds(act: Callable[[], None], device: torch.device) -> float:
    """Return the seconds that an act takes, on a GPU until its last kernel is done."""
    _wait(device)
    begin = time.perf_counter()
    act()
    _wait(device)
    return time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def megabytes(name: str) -> float:
    """Return this process's memory in MB as the system reports it: `VmRSS` now, `VmHWM` at its peak."""
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024


def machine(device: torch.device) -> dict:
    """Return everything besides the code that the times depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {
        "cpu": cpu or platform.machine(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
    }
