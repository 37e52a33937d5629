"""`python -m train.sweep [GRID] [--field a,b,c …]`: many runs on SLURM, or in parallel on this machine.

GRID is an argument of train.run (a recipe, a run, a pattern such as 'cifar10-*-s1') or `paper`, its 126 runs; fields with
several values are multiplied. All flags of train.run apply to every run. The same command again resumes the sweep.
Run it in the project's folder. `--status`, `--cancel` and `--retry-failed` apply to the sweeps of the store whose names
begin with GRID. The exit code is 0 if all runs are finished, 1 if some failed, 2 on errors, 75 if some stopped.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from rnc.command_output import fail, print_escaped, printable, run_command
from rnc.probe.interruption import OUT_OF_TIME
from rnc.safe_paths import UnsafePathError
from rnc.store.addresses import store_path
from rnc.store.errors import StoreError
from rnc.store.locks import training_process
from rnc.store.reader import StoreReader
from rnc.store.sweep_state import Job, Sweep, SweepProgress, find_sweeps, left_out_message, progress, sweep_folder
from rnc.vocabulary import RunState
from train.run import TrainCommand, print_costs
from train.sweeps.grid import grid
from train.sweeps.job_options import job_options
from train.sweeps.sweep_plan_and_train_commands import (
    check_recorded_commands,
    new_or_continued_sweep,
    run_arguments,
    sweep_name,
)

try:
    from train.sweeps.backends import Engine, EngineError, pick_engine
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing}; sweeps need more packages: pip install -r requirements-cluster.txt")

_POLL_SECONDS = 2.0
_CANCEL_TIMEOUT = 120.0  # for cancelled jobs to end
_NOT_FOR_SWEEPS = {
    "overwrite": "a run would start again after every requeue; use train.run --overwrite for a single run",
    "list_runs": "use train.run --list",
}


def main(arguments: list[str]) -> int:
    """Run the command; the module docstring lists the exit codes."""
    given, rest = _parser().parse_known_args(arguments)
    try:
        if given.status or given.cancel or given.retry_failed:
            return _manage(given, rest)
        configs, command = grid(rest)
        _check(command)
        if command.dry_run:
            return print_costs(configs, command.options(), "about {} on a machine like this one")
        command.options().check_and_prepare_store()
        more = {"pack": given.pack, "ranks": given.ranks, "slurm": dict(_pair(text) for text in given.slurm)}
        sweep = new_or_continued_sweep(
            sweep_name(rest, configs), configs, command, pick_engine(given.engine).name, more
        )
        return _start(sweep, command.options().store.resolve(), given, failed_too=False)
    except (StoreError, EngineError, UnsafePathError, ValueError) as error:
        return fail(error, 2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m train.sweep",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--status", action="store_true", help="print the progress of each run")
    parser.add_argument("--cancel", action="store_true", help="cancel the jobs; everything measured so far is kept")
    parser.add_argument("--retry-failed", action="store_true", help="submit failed and stopped runs again")
    parser.add_argument("--detach", action="store_true", help="submit the jobs and exit without showing the progress")
    parser.add_argument("--engine", default="auto", help="slurm or local; auto is SLURM if it answers")
    parser.add_argument("--pack", type=int, default=0, metavar="N", help="runs per job, which share its GPUs")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="processes per run, one per GPU (torchrun)")
    parser.add_argument(
        "--slurm",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="options of sbatch: partition=gpu mem=32GB account=x",
    )
    return parser


def _check(command: TrainCommand) -> None:
    for name, instead in _NOT_FOR_SWEEPS.items():
        if getattr(command, name):
            raise ValueError(f"--{name.removesuffix('_runs')} does not apply to sweeps: {instead}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--slurm takes NAME=VALUE, such as partition=gpu, got {text!r}")
    return name, value


def _start(sweep: Sweep, store: Path, given: argparse.Namespace, *, failed_too: bool) -> int:
    """Submit the runs that are neither finished nor in a job, and watch them; wait first for cancelled jobs to end."""
    engine, folder = pick_engine(sweep.engine), sweep_folder(store, sweep.name)
    options = job_options(sweep.options)
    if ending := engine.alive([job for job in sweep.jobs if job.cancelled], folder):
        print_escaped(f"{sweep.name}: waiting for the cancelled jobs {_ids(ending)} to end")
        _wait_until_ended(sweep, engine, ending, folder)
    held = _runs_in_jobs(sweep, engine, folder)
    states = _progress(sweep, store).states
    done = {RunState.FINISHED} if failed_too else {RunState.FINISHED, RunState.FAILED}
    todo = [run_id for run_id in sweep.runs if states[run_id] not in done and run_id not in held]
    if todo:
        flags = sweep.options["flags"]
        commands = {run_id: run_arguments(sweep.runs[run_id]) + flags for run_id in todo}
        jobs = engine.submit(commands, store, folder, options)
        sweep.jobs += jobs
        print_escaped(
            f"{sweep.name}: submitted {len(todo)} runs in {len(jobs)} jobs on {engine.name}; their logs: {folder / 'jobs'}"
        )
    sweep.save(store)
    return 0 if given.detach else _watch(sweep, store, engine)


def _ids(jobs: list[Job]) -> str:
    return ", ".join(sorted(job.job_id for job in jobs))


def _runs_in_jobs(sweep: Sweep, engine: Engine, folder: Path) -> set[str]:
    """Return the runs that are in a queued or running job."""
    return {run_id for job in engine.alive(sweep.jobs, folder) for run_id in job.run_ids}


def _progress(sweep: Sweep, store: Path) -> SweepProgress:
    reader = StoreReader(store)
    return progress(sweep, reader.runs.all(), reader.runs.seconds_per_epoch(list(sweep.runs)))


def _watch(sweep: Sweep, store: Path, engine: Engine) -> int:
    """Show the progress until no job is left; Ctrl-C ends only the display."""
    layout, folder = "{percentage:3.0f}%|{bar}| {desc}", sweep_folder(store, sweep.name)
    with tqdm(total=1.0, bar_format=layout, dynamic_ncols=True) as bar:
        try:
            while True:
                held = _runs_in_jobs(
                    sweep, engine, folder
                )  # queried first: a job that is gone has stored its final state
                now = _progress(sweep, store)
                bar.n = now.share
                bar.set_description_str(printable(str(now)))
                if not held:
                    return _exit_code(now)
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            tqdm.write(f"{sweep.name} continues; --status shows its progress, --cancel ends it")
            return 130


def _exit_code(now: SweepProgress) -> int:
    if now.count(RunState.FAILED):
        return 1
    return 0 if now.count(RunState.FINISHED) == len(now.states) else OUT_OF_TIME


def _manage(given: argparse.Namespace, rest: list[str]) -> int:
    """Run --status, --cancel or --retry-failed for the sweeps with a given prefix; an error in one does not stop the others."""
    parser = argparse.ArgumentParser(prog="python -m train.sweep", allow_abbrev=False)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--store")
    parser.add_argument("--data-root", type=Path)
    options = parser.parse_args(rest)
    store = store_path(options.store).resolve()
    codes = []
    for sweep in _matching(options.name, store):
        try:
            codes.append(_manage_one(sweep, store, given, options.data_root))
        except (StoreError, EngineError, UnsafePathError, ValueError) as error:
            codes.append(fail(error, 2))
    return max(codes)


def _matching(name: str, store: Path) -> list[Sweep]:
    """Return the sweeps whose names start with `name`.

    Raises ValueError if there are none, or if the sweep with exactly this name is not valid.
    """
    known = find_sweeps(store)
    chosen = [sweep for sweep in known.sweeps if sweep.name.startswith(name)]
    left_out = {one: reason for one, reason in known.left_out.items() if one.startswith(name)}
    if left_out and (name in left_out or not chosen):
        raise ValueError("; ".join(left_out_message(*one) for one in left_out.items()))
    if not chosen:
        which = f"no sweep with a name starting with {name!r}" if name else "no sweep"
        raise ValueError(f"{which} writes to {store}")
    for one in left_out.items():
        print_escaped(f"warning: {left_out_message(*one)}", sys.stderr)
    return chosen


def _manage_one(sweep: Sweep, store: Path, given: argparse.Namespace, root: Path | None) -> int:
    engine = pick_engine(sweep.engine)
    if given.retry_failed:
        check_recorded_commands(sweep, store, root)
    if given.cancel:
        _cancel(sweep, store, engine)
    return _start(sweep, store, given, failed_too=True) if given.retry_failed else _print_status(sweep, store, engine)


def _cancel(sweep: Sweep, store: Path, engine: Engine) -> None:
    """Cancel the jobs and wait until they have ended: their runs then record their state, and the next command can start them.

    Raises EngineError if a run is still being trained.
    """
    folder = sweep_folder(store, sweep.name)
    alive = engine.alive(sweep.jobs, folder)
    sweep.jobs = [replace(job, cancelled=job.cancelled or job in alive) for job in sweep.jobs]
    sweep.save(store)
    engine.cancel(alive, folder)
    _wait_until_ended(sweep, engine, alive, folder)
    trainers = {run_id: training_process(store, run_id) for run_id in sweep.runs}
    if still_trained := [f"{run_id} (process {process})" for run_id, process in trainers.items() if process]:
        raise EngineError(
            f"{sweep.name}: its jobs have ended, but other processes are still training these runs: "
            f"{', '.join(still_trained)}; end those processes with kill"
        )


def _wait_until_ended(sweep: Sweep, engine: Engine, jobs: list[Job], folder: Path) -> None:
    """Wait for cancelled jobs to end. Raises EngineError if that takes too long."""
    deadline = time.monotonic() + _CANCEL_TIMEOUT
    while alive := engine.alive(jobs, folder):
        if time.monotonic() > deadline:
            raise EngineError(
                f"{sweep.name}: jobs {_ids(alive)} were cancelled but have not ended yet; a run ends only after an epoch. "
                "Start the sweep again later"
            )
        time.sleep(_POLL_SECONDS / 4)


def _print_status(sweep: Sweep, store: Path, engine: Engine) -> int:
    """Print one line per run, with `in a job` if a job has it."""
    held, now = _runs_in_jobs(sweep, engine, sweep_folder(store, sweep.name)), _progress(sweep, store)
    runs = StoreReader(store).runs.all()
    done = dict(zip(runs["run_id"], runs["epochs_done"], strict=True)) if len(runs) else {}
    for run_id, run in sweep.runs.items():
        where = f", in a job of {engine.name}" if run_id in held else ""
        print_escaped(f"{run_id}  {now.states[run_id]}{where}  epoch {done.get(run_id, 0)} of {run.epochs}")
    print_escaped(f"{sweep.name}: {now}")
    return _exit_code(now)


if __name__ == "__main__":
    run_command(main)
