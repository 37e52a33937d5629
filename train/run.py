"""The command line: `python -m train.run [RECIPE] [--field value ...]`, also under torchrun."""

from rnc.interrupt_while_loading import end_at_once_on_ctrl_c

if __name__ in ("__main__", "__mp_main__"):  # the command, or a process that trains one of its runs
    end_at_once_on_ctrl_c()

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from rnc import event_log
from rnc.command_output import fail, print_escaped, printable, run_command
from rnc.device_and_threads import check_threads, cores, pick_device
from rnc.durations import in_words
from rnc.interrupt_while_loading import raise_on_ctrl_c_again
from rnc.models.weights import CheckpointError
from rnc.probe.execution import Precision
from rnc.probe.interruption import StopRun, parse_duration, sigterm_stops
from rnc.probe.measurement_config import check_least, check_most, primitive
from rnc.probe.store_and_device_options import Options
from rnc.probe.torchrun_ranks import leave_ranks
from rnc.safe_paths import UnsafePathError
from rnc.store.addresses import path_if_store_or_new, store_path
from rnc.store.errors import RunExistsError, StoreError, StoreWriteError
from train.config import RunConfig
from train.cost import Estimate
from train.loop import train_run
from train.named_run_sets import find, paper_runs
from train.read_recorded_run_config import config_in_store

Duration = Annotated[float, primitive("DURATION", parse_duration, "{:g}s".format)]

_MOST_JOBS = 1024
_PROG = "python -m train.run"
_STOPPED = "stopped; all epochs measured so far are in the store, and the same command resumes the run"


@dataclass(frozen=True)
class TrainCommand:
    """Train a network and store how the geometry of its features develops.

    RECIPE names runs to start from: tiny, demo, cifar10-cpu-at, a run of the paper such as cifar10-vgg11_bn-at-l2-s1,
    or all runs that match a pattern ('cifar10-cpu-*'). Every field of a run can be overridden. Without a recipe, the
    defaults below make one run. An interrupted run is resumed; RECIPE may also be the id of such a run in the store.
    """

    config: tyro.conf.OmitArgPrefixes[RunConfig]
    store: Path | None = None
    """The DuckDB file to write; RNC_STORE, or data/rnc.duckdb, if not given."""
    data_root: Path | None = None
    """The folder of the images; RNC_DATA, or data/images, if not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads of a run; 0 takes one for a small network and all cores for others."""
    jobs: int = 0
    """Number of runs trained at the same time; 0 is the number of cores, but at most the number of runs."""
    precision: Annotated[Precision, tyro.conf.EnumChoicesFromValues] = Precision.AUTO
    """Precision of products in training; auto is bf16 on a GPU and float32 elsewhere. Measurement is always float32."""
    compiled: bool = False
    """Compile the passes of training by torch.compile; measurement is not compiled. It gains nothing on a CPU."""
    time_limit: Duration | None = None
    """Stop after an epoch if the next would exceed this: 45m, 1.5h, 1:30:00. The same command resumes the run; exit code 75."""
    overwrite: bool = False
    """Train a run with the same key again from the start, and replace the stored one."""
    list_runs: Annotated[bool, tyro.conf.arg(name="list")] = False
    """Print the runs of the paper, one per line, and train nothing."""
    dry_run: bool = False
    """Print the runs and their estimated cost on this device, and train nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError for numbers that no machine can satisfy, before anything is created."""
        check_least({"jobs": self.jobs}, {"jobs": 0})
        check_most({"jobs": self.jobs}, {"jobs": _MOST_JOBS}, "each of them is a process with its own network")
        check_threads(self.threads)

    def options(self) -> Options:
        """Return the options shared by all runs of this command."""
        return Options(
            store=store_path(self.store),
            data_root=self.data_root,
            device=self.device,
            threads=self.threads,
            precision=self.precision,
            compiled=self.compiled,
            deadline=None if self.time_limit is None else time.time() + self.time_limit,
            overwrite=self.overwrite,
        )


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 0, 1 if a run failed, 2 if the request was wrong, 75 if out of time, 130 on Ctrl-C."""
    try:
        commands = parse(arguments)
        options = commands[0].options()
    except (StoreError, ValueError) as error:
        return fail(error, 2)
    configs = list({command.config.run_id: command.config for command in commands}.values())
    if commands[0].list_runs:
        return _list_runs()
    event_log.set_up(path_if_store_or_new(options.store))
    try:
        if commands[0].dry_run:
            return print_costs(configs, options, f"one after another on {pick_device(options.device)}: about {{}}")
        options.check_and_prepare_store()
        if len(configs) > 1:
            return _train_several(configs, options, commands[0].jobs or cores())
    except (StoreError, ValueError) as error:
        return fail(error, 2)
    except KeyboardInterrupt:
        return fail(_STOPPED, 130)
    except StopRun as stop:
        return fail(stop, stop.exit_code)
    return _train_one(configs[0], options)


def _train_one(config: RunConfig, options: Options) -> int:
    try:
        train_run(config, options)
        return 0
    except (CheckpointError, StoreWriteError, UnsafePathError, ValueError) as error:
        return fail(error, 1)
    except StoreError as error:
        return fail(error, 2)
    except KeyboardInterrupt:
        return fail(_STOPPED, 130)
    except StopRun as stop:
        return fail(stop, stop.exit_code)
    finally:
        leave_ranks()


def _list_runs() -> int:
    for name in paper_runs():
        print_escaped(name)
    return 0


def print_costs(configs: list[RunConfig], options: Options, total_template: str) -> int:
    """Print the cost of each run, and the total in the text `total_template` with {} in its place; return the exit code."""
    estimate, total = Estimate(options), 0.0
    for config in configs:
        seconds = estimate.seconds(config)
        total += seconds
        print_escaped(f"{config.run_id}  {config.epochs} epochs  about {in_words(seconds)}")
    print_escaped(f"{len(configs)} runs, {total_template.format(in_words(total))}")
    return 0


def parse(arguments: list[str]) -> list[TrainCommand]:
    """Return the commands of a command line, one per run. Raises ValueError for a wrong recipe or value."""
    recipe = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    flags = arguments[len(recipe) :]
    configs = _configs(recipe[0], flags) if recipe else [RunConfig()]
    return [parse_one(config, flags) for config in configs]


def _configs(name: str, flags: list[str]) -> list[RunConfig]:
    """Return the configs of a recipe, or of the run with this id in the store. Raises ValueError if there is neither."""
    try:
        return find(name)
    except ValueError:
        stored = config_in_store(store_path(parse_one(RunConfig(), flags).store), name)
        if stored is None:
            raise
        return [stored]


def parse_one(config: RunConfig, flags: list[str]) -> TrainCommand:
    """Return the command of one run: a config with overrides by flags. Raises ValueError for a wrong value."""
    return tyro.cli(
        TrainCommand,
        prog=f"{_PROG} [RECIPE]",
        args=flags,
        default=TrainCommand(config),
        config=(tyro.conf.EnumChoicesFromValues,),
    )


def _train_several(configs: list[RunConfig], options: Options, jobs: int) -> int:
    """Train runs in parallel, each in its own process; finished runs are skipped, so an interrupted recipe is resumed."""
    context = multiprocessing.get_context("spawn")
    code = 0
    workers = min(jobs, len(configs))
    todo = list(enumerate(configs))
    running: dict[Future[None], RunConfig] = {}
    with (
        sigterm_stops(),
        ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(options.store,)) as pool,
    ):
        try:
            while todo or running:
                while todo and len(running) < workers:  # a run that is not submitted cannot start after Ctrl-C
                    position, config = todo.pop(0)
                    running[pool.submit(train_run, config, options, position)] = config
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    code = max(code, _exit_code(running.pop(future).run_id, future))
        except StopRun:
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise
    return code


def _exit_code(run_id: str, future: Future[None]) -> int:
    """Return the exit code of a run, and print its result unless it succeeded; a failure does not affect other runs."""
    try:
        future.result()
    except RunExistsError:
        tqdm.write(f"{printable(run_id)}: already finished and therefore skipped (--overwrite trains it again)")
    except StopRun as stop:
        tqdm.write(printable(f"{run_id}: {stop}"), file=sys.stderr)
        return stop.exit_code
    except Exception as error:
        tqdm.write(printable(f"{run_id}: failed: {error}"), file=sys.stderr)
        return 1
    return 0


def _begin_worker(store: Path) -> None:
    raise_on_ctrl_c_again()
    event_log.set_up(path_if_store_or_new(store))
    _end_with_parent()


def _end_with_parent() -> None:
    """Exit this worker when the command that started it has ended for any reason; its run is then shown as interrupted."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    run_command(main)
