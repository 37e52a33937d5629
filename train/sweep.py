"""`python -m train.sweep [GRID] [--field a,b,c …]`: many runs on SLURM, or side by side on this machine.

GRID is what train.run takes (a recipe, a run, a pattern such as 'cifar10-*-s1') or `paper`, its 126 runs; fields with
several values are multiplied. All flags of train.run apply, for every run. The same command again goes on where it was.
Run it in the project's folder. `--status`, `--cancel` and `--retry-failed` concern the sweeps of the store whose names
begin with GRID. The exit code is 0 when all runs are finished, 1 where some failed, 2 on errors, 75 where some stopped.
"""

import argparse
import hashlib
import re
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rnc.store.card import train_command
from rnc.store.connection import StoreError, store_path
from rnc.store.reader import StoreReader
from rnc.store.sweeps import Job, PlannedRun, Sweep, SweepProgress, progress, sweep_folder, sweeps_of
from rnc.vocabulary import RunState
from train.config import RunConfig
from train.cost import Estimate
from train.grid import grid
from train.run import Command, print_costs
from train.stopping import OUT_OF_TIME

try:
    from train.engines import Engine, EngineError, JobOptions, pick_engine
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing}; sweeps need more packages: pip install -r requirements-cluster.txt")

_LOOK_SECONDS = 2.0
_PATIENCE = 120.0  # for jobs that were told to end
_TRAIN = ("python", "-m", "train.run")
_NOT_FOR_SWEEPS = {
    "overwrite": "a run that goes on after a requeue would begin anew; train it again by train.run --overwrite",
    "list_runs": "ask train.run --list",
}


def main(arguments: list[str]) -> int:
    """Run the command; the module says what the exit code means."""
    given, rest = _parser().parse_known_args(arguments)
    try:
        if given.status or given.cancel or given.retry_failed:
            return _look_after(given, rest)
        configs, command = grid(rest)
        _check(command)
        if command.dry_run:
            return print_costs(configs, command.options(), "about {} of one such machine as this")
        command.options().check()
        sweep = _planned(_name(rest, configs), configs, command, given)
        return _go_on(sweep, command.options().store.resolve(), given, failed_too=False)
    except (StoreError, EngineError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.sweep", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--status", action="store_true", help="say how far each run is")
    parser.add_argument("--cancel", action="store_true", help="end the jobs; what was measured stays")
    parser.add_argument("--retry-failed", action="store_true", help="hand in again what failed or stopped")
    parser.add_argument("--detach", action="store_true", help="hand in the jobs and do not watch them")
    parser.add_argument("--engine", default="auto", help="slurm or local; auto is SLURM where it answers")
    parser.add_argument("--pack", type=int, default=0, metavar="N", help="runs a job, sharing its GPUs")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="processes of a run, one a GPU (torchrun)")
    parser.add_argument(
        "--slurm", nargs="+", default=[], metavar="NAME=VALUE", help="for sbatch: partition=gpu mem=32GB account=x"
    )
    return parser


def _check(command: Command) -> None:
    for name, instead in _NOT_FOR_SWEEPS.items():
        if getattr(command, name):
            raise ValueError(f"--{name.removesuffix('_runs')} is not for sweeps: {instead}")


def _name(arguments: list[str], configs: list[RunConfig]) -> str:
    """What was asked for in words, and a digest of the runs: the same grid is the same sweep."""
    word = arguments[0] if arguments and not arguments[0].startswith("-") else "grid"
    digest = hashlib.sha256("\n".join(sorted(config.run_id for config in configs)).encode()).hexdigest()[:6]
    return f"{re.sub(r'[^a-z0-9_]+', '-', word.lower()).strip('-')}-{digest}"


def _planned(name: str, configs: list[RunConfig], command: Command, given: argparse.Namespace) -> Sweep:
    """The sweep, with the jobs of earlier commands where there were any."""
    estimate = Estimate(command.options())
    runs = {config.run_id: PlannedRun(config.to_json(), config.epochs, estimate.seconds(config)) for config in configs}
    engine = pick_engine(given.engine)
    options: dict[str, Any] = {
        "flags": _shared_flags(command),
        "pack": given.pack,
        "at_a_time": command.jobs,
        "ranks": given.ranks,
        "on_gpus": command.device != "cpu",
        "time_limit": command.time_limit,
        "slurm": dict(_pair(text) for text in given.slurm),
    }
    before = [sweep for sweep in sweeps_of(command.options().store) if sweep.name == name]
    return Sweep(name, engine.name, options, runs, before[0].jobs if before else [])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--slurm takes NAME=VALUE, such as partition=gpu, got {text!r}")
    return name, value


def _shared_flags(command: Command) -> list[str]:
    """What every run's own command is given besides its config; folders in full."""
    flags = ["--store", str(command.options().store.resolve()), "--device", command.device]
    flags += ["--threads", str(command.threads), "--precision", str(command.precision)]
    flags += ["--data-root", str(command.data_root.resolve())] if command.data_root else []
    return [*flags, "--compiled"] if command.compiled else flags


def _go_on(sweep: Sweep, store: Path, given: argparse.Namespace, *, failed_too: bool) -> int:
    """Hand in what is neither finished nor in a job's hands, and watch. A job that was told to end is waited for first."""
    engine = pick_engine(sweep.engine)
    if ending := engine.alive([job.job_id for job in sweep.jobs if job.cancelled]):
        print(f"{sweep.name}: jobs {', '.join(sorted(ending))} were cancelled and have not ended yet; waiting for them")
        _until_gone(sweep, engine, ending)
    held = _held(sweep, engine)
    states = _progress(sweep, store).states
    done = {RunState.FINISHED} if failed_too else {RunState.FINISHED, RunState.FAILED}
    todo = [run_id for run_id in sweep.runs if states[run_id] not in done and run_id not in held]
    if todo:
        flags = sweep.options["flags"]
        commands = {run_id: _arguments(sweep.runs[run_id]) + flags for run_id in todo}
        options = JobOptions(**{name: value for name, value in sweep.options.items() if name != "flags"})
        folder = sweep_folder(store, sweep.name) / "jobs"
        jobs = engine.submit(commands, store, folder, options)
        sweep.jobs += [Job(job_id, run_ids) for job_id, run_ids in jobs.items()]
        print(f"{sweep.name}: {len(todo)} runs in {len(jobs)} jobs on {engine.name}; what they say: {folder}")
    sweep.save(store)
    return 0 if given.detach else _watch(sweep, store, engine)


def _arguments(run: PlannedRun) -> list[str]:
    """The arguments of train.run that make the run."""
    return shlex.split(train_command(run.config))[len(_TRAIN) :]


def _held(sweep: Sweep, engine: Engine) -> set[str]:
    """The runs that a queued or running job has."""
    alive = engine.alive([job.job_id for job in sweep.jobs])
    return {run_id for job in sweep.jobs if job.job_id in alive for run_id in job.run_ids}


def _progress(sweep: Sweep, store: Path) -> SweepProgress:
    reader = StoreReader(store)
    return progress(sweep, reader.runs(), reader.paces(list(sweep.runs)))


def _watch(sweep: Sweep, store: Path, engine: Engine) -> int:
    """Show how far it is until no job is left; Ctrl-C ends the watching alone."""
    layout = "{percentage:3.0f}%|{bar}| {desc}"
    with tqdm(total=1.0, bar_format=layout, dynamic_ncols=True) as bar:
        try:
            while True:
                held = _held(sweep, engine)  # (asked first: a job's last word is in the store when it is gone)
                now = _progress(sweep, store)
                bar.n = now.share
                bar.set_description_str(str(now))
                if not held:
                    return _code(now)
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            tqdm.write(f"{sweep.name} goes on; --status shows it, --cancel ends it")
            return 130


def _code(now: SweepProgress) -> int:
    if now.count(RunState.FAILED):
        return 1
    return 0 if now.count(RunState.FINISHED) == len(now.states) else OUT_OF_TIME


def _look_after(given: argparse.Namespace, rest: list[str]) -> int:
    """--status, --cancel, --retry-failed of the sweeps whose names begin with what is given."""
    parser = argparse.ArgumentParser(prog="python -m train.sweep", allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--store", type=Path)
    asked = parser.parse_args(rest)
    store = store_path(asked.store).resolve()
    chosen = [sweep for sweep in sweeps_of(store) if sweep.name.startswith(asked.name)]
    if not chosen:
        raise ValueError(f"no sweep {asked.name}… writes to {store}")
    codes = []
    for sweep in chosen:
        engine = pick_engine(sweep.engine)
        if given.cancel:
            _cancel(sweep, store, engine)
        if given.retry_failed:
            codes.append(_go_on(sweep, store, given, failed_too=True))
        else:
            codes.append(_print_status(sweep, store, engine))
    return max(codes)


def _cancel(sweep: Sweep, store: Path, engine: Engine) -> None:
    """End the jobs, and wait until they are gone: the runs then say so themselves, and the next command finds them free."""
    alive = engine.alive([job.job_id for job in sweep.jobs])
    sweep.jobs = [replace(job, cancelled=job.cancelled or job.job_id in alive) for job in sweep.jobs]
    sweep.save(store)
    engine.cancel(sorted(alive))
    _until_gone(sweep, engine, alive)


def _until_gone(sweep: Sweep, engine: Engine, jobs: set[str]) -> None:
    """Wait for jobs that were told to end. Raises EngineError where that takes too long."""
    deadline = time.monotonic() + _PATIENCE
    while alive := engine.alive(sorted(jobs)):
        if time.monotonic() > deadline:
            raise EngineError(
                f"{sweep.name}: jobs {', '.join(sorted(alive))} have been told to end, and have not yet; they do at their "
                "epochs' ends. Start the sweep again then"
            )
        time.sleep(_LOOK_SECONDS / 4)


def _print_status(sweep: Sweep, store: Path, engine: Engine) -> int:
    """A line a run; `in a job` where one has it."""
    held, now = _held(sweep, engine), _progress(sweep, store)
    runs = StoreReader(store).runs()
    done = dict(zip(runs["run_id"], runs["epochs_done"], strict=True)) if len(runs) else {}
    for run_id, run in sweep.runs.items():
        where = f", in a job of {engine.name}" if run_id in held else ""
        print(f"{run_id}  {now.states[run_id]}{where}  epoch {done.get(run_id, 0)} of {run.epochs}")
    print(f"{sweep.name}: {now}")
    return _code(now)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
