"""The content of a sweep and the commands of its runs: planned here, or read from its file and checked.

The file may come from an untrusted source. Only the fields of a run's config, each of its expected type, and the few
flags shared by all runs become arguments.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnc.datasets import data_root
from rnc.probe.execution import Precision
from rnc.safe_paths import quoted
from rnc.store.run_card import module_and_arguments
from rnc.store.sweep_state import PlannedRun, Sweep, find_sweeps, left_out_message
from train.config import RunConfig
from train.cost import Estimate
from train.read_recorded_run_config import config_of_run
from train.run import TrainCommand

_LONGEST_WORD = 100
_FLAGS: dict[str, Callable[[str], bool]] = {
    "--device": lambda value: re.fullmatch(r"[a-z]{2,10}(:\d{1,3})?", value, re.ASCII) is not None,
    "--threads": lambda value: re.fullmatch(r"\d{1,4}", value, re.ASCII) is not None,
    "--precision": lambda value: value in list(Precision),
}
"""The allowed shared flags in a sweep's file with their valid values, besides --compiled and the folders."""


def sweep_name(arguments: list[str], configs: list[RunConfig]) -> str:
    """Return the requested grid in words with a digest of its runs, so that the same grid gives the same sweep."""
    word = arguments[0] if arguments and not arguments[0].startswith("-") else "grid"
    digest = hashlib.sha256("\n".join(sorted(config.run_id for config in configs)).encode()).hexdigest()[:6]
    plain = re.sub(r"[^a-z0-9_]+", "-", word.lower()).strip("-")[:_LONGEST_WORD]
    return f"{plain}-{digest}"


def new_or_continued_sweep(
    name: str, configs: list[RunConfig], command: TrainCommand, engine: str, more: dict[str, Any]
) -> Sweep:
    """Return the sweep, with the jobs of earlier commands if there were any; `more` are options of its jobs.

    Raises ValueError if there is a file with its name that is invalid or belongs to other runs.
    """
    store = command.options().store
    known = find_sweeps(store)
    if name in known.left_out:
        raise ValueError(
            f"{left_out_message(name, known.left_out[name])}; move {store.parent / 'sweeps' / name} away and run the same "
            "command again"
        )
    before = [sweep for sweep in known.sweeps if sweep.name == name]
    run_ids = [config.run_id for config in configs]
    if before and set(before[0].runs) != set(run_ids):
        raise ValueError(
            f"{store.parent / 'sweeps' / name} is a sweep of other runs; move it away and run the same command again"
        )
    estimate = Estimate(command.options())
    runs = {config.run_id: PlannedRun(config.to_json(), config.epochs, estimate.seconds(config)) for config in configs}
    options = more | {
        "flags": _shared_flags(command),
        "at_a_time": command.jobs,
        "on_gpus": command.device != "cpu",
        "time_limit": command.time_limit,
    }
    return Sweep(name, engine, options, runs, before[0].jobs if before else [])


def _shared_flags(command: TrainCommand) -> list[str]:
    """Return the flags of every run's command besides its config, with absolute folders."""
    flags = ["--store", str(command.options().store.resolve()), "--device", command.device]
    flags += ["--threads", str(command.threads), "--precision", str(command.precision)]
    flags += ["--data-root", str(command.data_root.resolve())] if command.data_root else []
    return [*flags, "--compiled"] if command.compiled else flags


def run_arguments(run: PlannedRun) -> list[str]:
    """Return the arguments of train.run that make the run."""
    _module, arguments = module_and_arguments(run.config)
    return arguments


def check_recorded_commands(sweep: Sweep, store: Path, root: Path | None) -> None:
    """Check the commands that a sweep's file would execute, before its runs are submitted again.

    `root` is the folder of images given to this command. Raises ValueError if a run does not match its name, a flag is
    not one that runs share, or the folders differ from those of this command.
    """
    for run_id, run in sweep.runs.items():
        try:
            config_of_run(run_id, run.config)
        except ValueError as reason:
            raise ValueError(
                f"sweep {sweep.name}: run {quoted(run_id)} cannot be trained from the sweep's file: {reason}"
            ) from None
    _check_flags(sweep, store, root)


def _check_flags(sweep: Sweep, store: Path, root: Path | None) -> None:
    """Check the shared flags; the current store is used, even if its folder was moved since."""
    left, checked = list(sweep.options.get("flags", [])), ["--store", str(store)]
    while left:
        flag = left.pop(0)
        value = left.pop(0) if left and flag != "--compiled" else ""
        if flag == "--store":
            if Path(value).name != store.name:
                raise ValueError(
                    f"sweep {sweep.name} writes to the store {quoted(Path(value).name)}; name it with --store"
                )
            continue
        if flag == "--data-root":
            if Path(value).resolve() != data_root(root).resolve():
                raise ValueError(
                    f"sweep {sweep.name} reads its images from {quoted(value, 300)}; if this is correct, give --data-root"
                )
        elif flag != "--compiled" and (flag not in _FLAGS or not _FLAGS[flag](value)):
            raise ValueError(f"sweep {sweep.name}: its runs cannot take the argument {quoted(f'{flag} {value}')}")
        checked += [flag, value] if flag != "--compiled" else [flag]
    sweep.options["flags"] = checked
