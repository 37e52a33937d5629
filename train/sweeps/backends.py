"""The back ends of jobs: SLURM, or this machine, both through submitit. The state of a job comes from the engine itself.

Tested by tests/train/test_sweep_jobs.py.
"""

import math
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import submitit
import torch
from submitit.core.utils import FailedJobError, FailedSubmissionError

from rnc.command_output import printable
from rnc.device_and_threads import cores
from rnc.processes import identity
from rnc.safe_paths import UnsafePathError, path_inside
from rnc.store.sweep_state import Job
from train.sweeps.find_and_end_jobs import job_folder, processes_of, send_sigterm_to_jobs
from train.sweeps.job_options import JobOptions
from train.sweeps.sweep_job import SweepJob

_DEFAULT_SECONDS = 24 * 3600.0
_NOTICE_SECONDS = 120  # between the engine's signal and the job's end: time for an epoch's transaction and a save
_MOST_REQUEUES = 1000  # of jobs out of time; the runs page shows those without progress
_FOREVER_MINUTES = 60 * 24 * 365


class EngineError(Exception):
    """The error of an engine; the message is that of the engine."""


class Engine(Protocol):
    """A back end that submits jobs, lists those that exist, and cancels them. `folder` is the folder of the sweep."""

    name: str

    def submit(self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions) -> list[Job]:
        """Submit runs (id -> arguments of train.run)."""

    def alive(self, jobs: list[Job], folder: Path) -> list[Job]:
        """Return the jobs that are queued or running."""

    def cancel(self, jobs: list[Job], folder: Path) -> None:
        """Cancel jobs; their runs stop as after SIGTERM."""


class Slurm:
    """The SLURM cluster of the local `sbatch`."""

    name = "slurm"

    def submit(self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions) -> list[Job]:
        """Submit one array of jobs. Raises EngineError with the message of sbatch if it fails."""
        seconds = options.time_limit or _DEFAULT_SECONDS
        notice = round(min(_NOTICE_SECONDS, seconds / 4))
        pack = options.pack or 1
        jobs = [
            SweepJob(
                store,
                commands,
                options.at_a_time or len(commands),
                options.ranks,
                0,
                seconds - 2 * notice,
                requeues=True,
            )
            for commands in _packed(runs, pack)
        ]
        new_folder = _new_job_folder(folder)
        gpus = {"gpus_per_node": options.ranks} if options.on_gpus else {}
        try:
            executor = submitit.SlurmExecutor(new_folder, max_num_timeout=_MOST_REQUEUES)
            executor.update_parameters(
                job_name=folder.name,
                time=math.ceil(seconds / 60),
                signal_delay_s=notice,
                additional_parameters={"requeue": True},
                **gpus | options.for_sbatch(),
            )
            with executor.batch():
                submitted = [executor.submit(job) for job in jobs]
        except (ValueError, RuntimeError, FailedJobError, FailedSubmissionError) as error:
            raise EngineError(str(error)) from None
        return [
            Job(one.job_id, list(job.commands), folder=new_folder.name)
            for one, job in zip(submitted, jobs, strict=True)
        ]

    def alive(self, jobs: list[Job], folder: Path) -> list[Job]:
        """Return the jobs in the queue, in any state, whose batch script is in the folder recorded for them."""
        answer = subprocess.run(
            ["squeue", "--array", "--noheader", "--format=%i|%o"], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise EngineError(answer.stderr.strip())
        queued = dict(line.strip().split("|", 1) for line in answer.stdout.splitlines() if "|" in line)
        return [job for job in jobs if _is_script_in(queued.get(job.job_id, ""), job_folder(folder, job))]

    def cancel(self, jobs: list[Job], folder: Path) -> None:
        """Cancel jobs by `scancel`."""
        if ids := sorted(job.job_id for job in self.alive(jobs, folder)):
            ended = subprocess.run(["scancel", *ids], capture_output=True, text=True, check=False)
            if ended.returncode:
                raise EngineError(f"scancel did not end jobs {', '.join(ids)}: {ended.stderr.strip()}")


class Local:
    """This machine: one job with all runs, one per core or GPU at a time, which continues after the command ends."""

    name = "local"

    def submit(self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions) -> list[Job]:
        """Start the process of the job."""
        gpus = torch.cuda.device_count() if options.on_gpus else 0
        at_a_time = options.at_a_time or max(1, (gpus or cores()) // options.ranks)
        submitted = []
        for commands in _packed(runs, options.pack or len(runs)):
            job = SweepJob(
                store, commands, min(at_a_time, len(commands)), options.ranks, gpus, options.time_limit, requeues=False
            )
            new_folder = _new_job_folder(folder)
            executor = submitit.LocalExecutor(new_folder)
            executor.update_parameters(
                timeout_min=_FOREVER_MINUTES, gpus_per_node=torch.cuda.device_count(), visible_gpus=_visible_gpus()
            )
            with _detached():
                number = executor.submit(job).job_id
            submitted.append(Job(number, list(commands), folder=new_folder.name, process=identity(int(number))))
        return submitted

    def alive(self, jobs: list[Job], folder: Path) -> list[Job]:
        """Return the jobs with a living process, including those whose controller was killed while a run continues."""
        return [job for job, _processes in processes_of(jobs, folder)]

    def cancel(self, jobs: list[Job], folder: Path) -> None:
        """Send SIGTERM, which submitit's controller passes on to the job, and the job to its runs."""
        send_sigterm_to_jobs(jobs, folder)


def pick_engine(name: str) -> Engine:
    """Return the engine of a name; `auto` is SLURM if it answers, else this machine. Raises ValueError for other names."""
    engines: dict[str, Engine] = {"slurm": Slurm(), "local": Local()}
    if name == "auto":
        name = "slurm" if shutil.which("sbatch") and _succeeds("sinfo") else "local"
    if name not in engines:
        raise ValueError(f"unknown engine {name!r}; use auto, slurm or local")
    return engines[name]


def _new_job_folder(folder: Path) -> Path:
    """Create a new folder for jobs of a sweep, so that no other user can have placed files that are read or executed there.

    Raises EngineError if the sweep's folder cannot hold jobs.
    """
    if printable(str(folder)) != str(folder):  # the name becomes part of a batch script
        raise EngineError(
            f"{printable(str(folder))} has control characters in its name, so that it cannot hold jobs; use another folder"
        )
    try:
        place = path_inside(folder, "jobs", "folder")
        place.mkdir(parents=True, exist_ok=True)
        new_folder = place / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        new_folder.mkdir()
    except (UnsafePathError, OSError) as error:
        raise EngineError(f"cannot create a folder for jobs in {folder}: {error}") from None
    return new_folder


def _is_script_in(command: str, folder: Path) -> bool:
    """Return whether a command is a file directly inside a folder."""
    return command.startswith(f"{folder}/") and "/" not in command.removeprefix(f"{folder}/").split(" ")[0]


def _visible_gpus() -> tuple[int, ...]:
    """Return the numbers in CUDA_VISIBLE_DEVICES, which submitit would overwrite; empty if all GPUs may be used."""
    return tuple(int(part) for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip().isdigit())


def _succeeds(command: str) -> bool:
    return subprocess.run([command], capture_output=True, check=False).returncode == 0


def _packed(runs: dict[str, list[str]], size: int) -> list[dict[str, list[str]]]:
    items = list(runs.items())
    return [dict(items[first : first + size]) for first in range(0, len(items), size)]


@contextmanager
def _detached() -> Iterator[None]:
    """Start processes within the block that are not ended by Ctrl-C, nor by closing the terminal."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
