"""Where jobs run: SLURM, or this machine, both through submitit. What a job is doing is asked of the engine itself."""

import math
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import submitit
import torch
from submitit.core.utils import FailedJobError, FailedSubmissionError

from rnc.devices import cores
from train.sweep_job import SweepJob

_USUAL_SECONDS = 24 * 3600.0
_NOTICE_SECONDS = 120  # between the engine's notice and the job's end: time for an epoch's transaction and a save
_MOST_REQUEUES = 1000  # of jobs out of time; those that make no progress are seen on the runs page
_FOREVER_MINUTES = 60 * 24 * 365
_ENDED = ("Z", "X")  # states of proc(5): a zombie, and one that is gone


@dataclass(frozen=True)
class JobOptions:
    """How jobs are made of runs."""

    pack: int
    """Runs a job; 0 is one on SLURM, all on this machine."""
    at_a_time: int
    """Runs at a time in a job; 0 is all of a packed job, and one a core or GPU on this machine."""
    ranks: int
    """Processes of a run, one a GPU."""
    on_gpus: bool
    time_limit: float | None
    """Seconds of a job."""
    slurm: dict[str, str]
    """Further parameters of sbatch, as submitit names them."""


class EngineError(Exception):
    """The engine refused; the message is its own."""


class Engine(Protocol):
    """Takes jobs, knows which ones it still has, and ends them."""

    name: str

    def submit(
        self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions
    ) -> dict[str, list[str]]:
        """Hand in runs (id -> arguments of train.run); the ids of the jobs, each with its runs."""

    def alive(self, job_ids: list[str]) -> set[str]:
        """Those that are queued or running."""

    def cancel(self, job_ids: list[str]) -> None:
        """End jobs; their runs stop as by SIGTERM."""


class Slurm:
    """The cluster that `sbatch` reaches from here."""

    name = "slurm"

    def submit(
        self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions
    ) -> dict[str, list[str]]:
        """One array of jobs. Raises EngineError with sbatch's words where it refuses."""
        seconds = options.time_limit or _USUAL_SECONDS
        notice = round(min(_NOTICE_SECONDS, seconds / 4))
        pack = options.pack or 1
        jobs = [
            SweepJob(store, some, options.at_a_time or len(some), options.ranks, 0, seconds - 2 * notice, requeues=True)
            for some in _parts(runs, pack)
        ]
        executor = submitit.SlurmExecutor(folder, max_num_timeout=_MOST_REQUEUES)
        gpus = {"gpus_per_node": options.ranks} if options.on_gpus else {}
        try:
            executor.update_parameters(
                job_name=folder.parent.name, time=math.ceil(seconds / 60), signal_delay_s=notice,
                additional_parameters={"requeue": True}, **gpus, **_numbers(options.slurm),
            )  # fmt: skip
            with executor.batch():
                given = [executor.submit(job) for job in jobs]
        except (ValueError, FailedJobError, FailedSubmissionError) as error:
            raise EngineError(str(error)) from None
        return {one.job_id: list(job.commands) for one, job in zip(given, jobs, strict=True)}

    def alive(self, job_ids: list[str]) -> set[str]:
        """Those in the queue, whatever their state."""
        found = subprocess.run(
            ["squeue", "--array", "--noheader", "--format=%i"], capture_output=True, text=True, check=False
        )
        if found.returncode:
            raise EngineError(found.stderr.strip())
        return set(found.stdout.split()) & set(job_ids)

    def cancel(self, job_ids: list[str]) -> None:
        """`scancel`."""
        if job_ids:
            subprocess.run(["scancel", *job_ids], check=True)


class Local:
    """This machine: one job with all runs, one a core or GPU at a time, that outlives the command."""

    name = "local"

    def submit(
        self, runs: dict[str, list[str]], store: Path, folder: Path, options: JobOptions
    ) -> dict[str, list[str]]:
        """Start the job's process."""
        gpus = torch.cuda.device_count() if options.on_gpus else 0
        at_a_time = options.at_a_time or max(1, (gpus or cores()) // options.ranks)
        given = {}
        for some in _parts(runs, options.pack or len(runs)):
            job = SweepJob(
                store, some, min(at_a_time, len(some)), options.ranks, gpus, options.time_limit, requeues=False
            )
            executor = submitit.LocalExecutor(folder)
            executor.update_parameters(
                timeout_min=_FOREVER_MINUTES, gpus_per_node=torch.cuda.device_count(), visible_gpus=_visible_gpus()
            )
            with _outliving():
                given[executor.submit(job).job_id] = list(some)
        return given

    def alive(self, job_ids: list[str]) -> set[str]:
        """Those whose controlling process lives, and is submitit's: numbers of processes are used again."""
        return {job_id for job_id in job_ids if _controls_a_job(job_id)}

    def cancel(self, job_ids: list[str]) -> None:
        """SIGTERM, which submitit's controller hands on to the job."""
        for job_id in self.alive(job_ids):
            os.kill(int(job_id), signal.SIGTERM)


def pick_engine(name: str) -> Engine:
    """`auto` is SLURM where it answers, else this machine. Raises ValueError for a name that is neither."""
    engines: dict[str, Engine] = {"slurm": Slurm(), "local": Local()}
    if name == "auto":
        name = "slurm" if shutil.which("sbatch") and _answers("sinfo") else "local"
    if name not in engines:
        raise ValueError(f"unknown engine {name!r}; use auto, slurm or local")
    return engines[name]


def _visible_gpus() -> tuple[int, ...]:
    """The numbers that CUDA_VISIBLE_DEVICES names, which submitit would replace; none where all GPUs may be used."""
    return tuple(int(part) for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip().isdigit())


def _answers(command: str) -> bool:
    return subprocess.run([command], capture_output=True, check=False).returncode == 0


def _parts(runs: dict[str, list[str]], size: int) -> list[dict[str, list[str]]]:
    items = list(runs.items())
    return [dict(items[first : first + size]) for first in range(0, len(items), size)]


def _numbers(given: dict[str, str]) -> dict[str, Any]:
    return {name: int(value) if value.isdigit() else value for name, value in given.items()}


def _controls_a_job(process: str) -> bool:
    """Whether it is a controller of submitit's. One just started has no command line yet, one that has ended none more."""
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"submitit.local" in command or (not command and state not in _ENDED)


@contextmanager
def _outliving() -> Iterator[None]:
    """What is started within the block is not ended by Ctrl-C, nor by closing the terminal."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
