"""The options of jobs and of the scheduler, checked both in a command and in a sweep's file.

A sweep's file may come from an untrusted source, and the options for SLURM become lines of a batch script.
"""

import math
import re
from dataclasses import dataclass, fields
from typing import Any

from rnc.safe_paths import quoted

_MOST_SECONDS = 366 * 24 * 3600.0
_NAMES = (
    "account", "array_parallelism", "comment", "constraint", "cpus_per_gpu", "cpus_per_task", "dependency", "exclude",
    "exclusive", "gpus_per_node", "gpus_per_task", "gres", "mail_type", "mail_user", "mem", "mem_per_cpu", "mem_per_gpu",
    "nodelist", "nodes", "ntasks_per_node", "num_gpus", "partition", "qos", "stderr_to_stdout", "wckey",
)  # fmt: skip
"""Allowed parameters of sbatch, as submitit names them; excluded are those that run commands or that the sweep sets."""
_VALUE = re.compile(r"[A-Za-z0-9_.,:+@%=/*\[\]()&|!][A-Za-z0-9_.,:+@%=/*\[\]()&|!-]{0,199}", re.ASCII)
_MOST_DIGITS = 12


@dataclass(frozen=True)
class JobOptions:
    """The division of runs into jobs, and the scheduler's options. Raises ValueError for invalid values."""

    pack: int
    """Number of runs per job; 0 is one on SLURM, all on this machine."""
    at_a_time: int
    """Number of runs at the same time in a job; 0 is all of a packed job, and one per core or GPU on this machine."""
    ranks: int
    """Number of processes per run, one per GPU."""
    on_gpus: bool
    time_limit: float | None
    """Time limit of a job in seconds."""
    slurm: dict[str, str]
    """Additional parameters of sbatch, as submitit names them."""

    def __post_init__(self) -> None:
        """Check every field."""
        for name, least, most in (("pack", 0, 10_000), ("at_a_time", 0, 10_000), ("ranks", 1, 1024)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most:,}, got {quoted(str(value))}")
        limit = self.time_limit
        if limit is not None and not (math.isfinite(limit) and 0 <= limit <= _MOST_SECONDS):
            raise ValueError("the time limit of a job must be between 0 and a year")
        for name, value in self.slurm.items():
            _check_parameter(name, value)

    def for_sbatch(self) -> dict[str, Any]:
        """Return the additional parameters, with whole numbers as int."""
        return {name: int(value) if value.isdigit() else value for name, value in self.slurm.items()}


def job_options(recorded: dict[str, Any]) -> JobOptions:
    """Return the options recorded in a sweep. Raises ValueError if one is missing or invalid."""
    names = [field.name for field in fields(JobOptions)]
    if missing := [name for name in names if name not in recorded]:
        raise ValueError(f"the sweep's file has no {', '.join(missing)}; start the sweep again with its own command")
    return JobOptions(**{name: recorded[name] for name in names})


def _check_parameter(name: object, value: object) -> None:
    if name not in _NAMES:
        raise ValueError(f"--slurm does not accept {quoted(str(name))}; it accepts {', '.join(_NAMES)}")
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or (value.isdigit() and len(value) > _MOST_DIGITS):
        raise ValueError(
            f"--slurm {name} cannot be {quoted(str(value))}: a value consists of 1 to 200 letters, digits and characters of "
            "_.,:+@%=/*[]()&|!-, without spaces and line breaks, and does not start with -"
        )
