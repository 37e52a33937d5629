"""The command line: `python -m train.run [RECIPE] [--field value ...]`."""

import multiprocessing
import os
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import tyro
from tqdm import tqdm

from rnc.store.connection import StoreError, store_path
from rnc.store.writer import RunExistsError
from train.config import RunConfig
from train.loop import Options, train_run
from train.recipes import RECIPES

_PROG = "python -m train.run"
_STOPPED = "stopped; what was measured so far is in the store"


@dataclass(frozen=True)
class Command:
    """Train a network and write what happens to its geometry into the store.

    RECIPE names runs to start from (tiny, demo); every field of a run can be overridden. Without a recipe, the
    defaults below make one run.
    """

    config: tyro.conf.OmitArgPrefixes[RunConfig]
    store: Path | None = None
    """The DuckDB file to write; RNC_STORE, or data/rnc.duckdb, where not given."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:0."""
    threads: int = 0
    """CPU threads of a run; 0 takes one for a small network and all cores for others."""
    jobs: int = 0
    """Runs trained at a time; 0 takes as many as there are cores, at most one a run."""
    overwrite: bool = False
    """Train a finished run with the same key again, in place of the stored one."""

    def options(self) -> Options:
        """What every run of this command shares."""
        return Options(store_path(self.store), self.device, self.threads, self.overwrite)


def main(arguments: list[str]) -> int:
    """Run the command; the exit code is 0, 1 where a run failed, 2 where the request was wrong."""
    try:
        commands = parse(arguments)
    except ValueError as error:
        return _fail(str(error), 2)
    configs = list({command.config.run_id: command.config for command in commands}.values())
    options = commands[0].options()
    try:
        options.check()
        if len(configs) > 1:
            return _train_several(configs, options, commands[0].jobs or len(os.sched_getaffinity(0)))
    except (StoreError, ValueError) as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail(_STOPPED, 130)
    try:
        train_run(configs[0], options)
        return 0
    except StoreError as error:
        return _fail(str(error), 2)
    except ValueError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail(_STOPPED, 130)


def parse(arguments: list[str]) -> list[Command]:
    """The commands, one a run, of a command line. Raises ValueError for a wrong recipe or value."""
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    if named and named[0] not in RECIPES:
        raise ValueError(f"unknown recipe {named[0]!r}; there are: {', '.join(RECIPES)}")
    configs = RECIPES[named[0]]() if named else [RunConfig()]
    rest = arguments[len(named) :]
    return [
        tyro.cli(
            Command,
            prog=f"{_PROG} [RECIPE]",
            args=rest,
            default=Command(config),
            config=(tyro.conf.EnumChoicesFromValues,),
        )
        for config in configs
    ]


def _train_several(configs: list[RunConfig], options: Options, jobs: int) -> int:
    """Train runs side by side, each in a process of its own; finished ones are skipped, so a broken-off recipe goes on."""
    context = multiprocessing.get_context("spawn")
    failed = 0
    workers = min(jobs, len(configs))
    todo = list(enumerate(configs))
    under_way: dict[Future[None], RunConfig] = {}
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        while todo or under_way:
            while todo and len(under_way) < workers:  # (a run that was never submitted cannot begin after Ctrl-C)
                position, config = todo.pop(0)
                under_way[pool.submit(train_run, config, options, position)] = config
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                run_id = under_way.pop(future).run_id
                try:
                    future.result()
                except RunExistsError:
                    tqdm.write(f"{run_id}: already finished, skipped (--overwrite trains it again)")
                except Exception as error:  # (one run's failure must not take the others along)
                    failed += 1
                    tqdm.write(f"{run_id}: failed: {error}", file=sys.stderr)
    return 1 if failed else 0


def _end_with_parent() -> None:
    """In a worker: end when the command that started it is gone, however it went; its run then shows as interrupted."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
