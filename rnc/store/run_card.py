"""The model card of a run: its settings, its origin, and the command that trains it again."""

import json
import shlex
from pathlib import PurePath
from typing import Any

import pandas as pd

from rnc.durations import in_words
from rnc.vocabulary import Objective


def train_command(config: dict[str, Any]) -> str:
    """Return the command that makes a run with this config (fields as stored), as one line for a shell."""
    module, arguments = module_and_arguments(config)
    return shlex.join(["python", "-m", module, *arguments])


def module_and_arguments(config: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the module and the arguments that make a run with this config, independent of current defaults.

    For an external network, the command measures it again.
    """
    if config["objective"] == Objective.OWN:
        external = config["own"]
        settled = {"classifier": None, "stages": None, "name": external["name"] or None} | external["typed"]
        measured = {name: value for name, value in config.items() if name not in _STATED_BY_FILES}
        return "train.measure", [*_flags(settled), *_flags(measured)]
    return "train.run", _flags(config)


_STATED_BY_FILES = ("own", "objective", "seed", "subset", "epochs", "measured_epochs")
"""Fields of an external network that are known from its files and images, or are unknown."""


def _flags(config: dict[str, Any]) -> list[str]:
    parts = []
    for name, value in config.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            parts += [f"--{flag}", *map(str, value)]
        elif value is not None:
            parts += [f"--{flag}", str(value)]
    return parts


def without_folders(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config for publication: for an external network with file names only, without their folders."""
    if config["objective"] != Objective.OWN:
        return config
    external = config["own"]
    arguments = {name: _names(value) if name in _PATHS else value for name, value in external["typed"].items()}
    images = external["images"]
    if images is not None:
        images = images | {name: _names(images[name]) for name in ("data", "test_data")}
    return config | {"own": external | {"typed": arguments, "images": images}}


_PATHS = ("checkpoint", "data", "test_data")


def _names(paths: Any) -> Any:
    """Return the last part of a path, or of each path in a list."""
    if isinstance(paths, list):
        return [_names(path) for path in paths]
    return None if paths is None else PurePath(paths).name


def run_card(run: pd.Series, results: pd.DataFrame) -> str:
    """Return Markdown of one row of table `run` and the results of its last epoch: metric, role, split, value."""
    config, versions = json.loads(run["config"]), json.loads(run["versions"])
    facts = {
        "objective": config["objective"],
        "seed": config["seed"],
        "epochs": f"{run['epochs_done']} of {config['epochs']}",
        "finished (UTC)": f"{run['finished_at']:%Y-%m-%d %H:%M}",
        "wall time": in_words(run["wall_seconds"]),
        "device": f"{run['device']}, {run['threads']} threads, {run['execution']}",
        "commit": run["git_commit"],
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "data": f"`{run['data']}`",
    }
    rows = [f"| {name} | {fact} |" for name, fact in facts.items()]
    table = results.pivot(index="metric", columns=["role", "split"], values="value")
    heads = [", ".join(column) for column in table.columns]
    rounded = zip(table.index, table.to_numpy(), strict=True)
    numbers = [f"| {name} | {' | '.join(f'{value:.4g}' for value in row)} |" for name, row in rounded]
    shown = [f"| at the last epoch | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|", *numbers]
    made = "Measured" if config["objective"] == Objective.OWN else "Trained"
    again = [f"{made} by (`--data-root` names the folder of images where it is not the usual one):", "```"]
    return "\n".join(
        [
            f"# {run['run_id']}",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
            *shown,
            "",
            *again,
            train_command(config),
            "```",
            "",
        ]
    )
