"""Choice of device and CPU threads, shared by the trainer and the lab (design, decision 11)."""

import os

import torch

_SMALL_NETWORK = 1_000_000  # parameters; below this size a second thread costs more time than it saves

MOST_THREADS = 1024


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a name; `auto` is the GPU if there is one, and under torchrun each process's own GPU.

    Raises ValueError for a device that this machine lacks.
    """
    if name == "auto":
        return (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            if torch.cuda.is_available()
            else torch.device("cpu")
        )
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:0") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} is not available, because torch finds no GPU; use --device cpu")
    return device


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_threads(threads: int) -> None:
    """Raise ValueError for a number of threads that torch cannot start, since torch would end the process without a message."""
    if not 0 <= threads <= MOST_THREADS:
        raise ValueError(
            f"threads must be 0 (automatic) to {MOST_THREADS}, got {threads}; this machine has {cores()} cores, and more "
            "threads than cores make nothing faster"
        )


def set_threads(model: torch.nn.Module, requested: int = 0) -> int:
    """Set and return torch's number of CPU threads: the requested one, else 1 for a small network and all cores for others.

    Raises ValueError as `check_threads` does.
    """
    check_threads(requested)
    is_small = sum(parameter.numel() for parameter in model.parameters()) < _SMALL_NETWORK
    threads = requested or (1 if is_small else cores())
    torch.set_num_threads(threads)
    return threads


def exact_float32() -> None:
    """Turn TF32 off for measurements and their attacks: its lower precision sets a floor under NC1 (decision 5)."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
