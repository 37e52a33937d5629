"""A grid of runs from a command line: fields with several values are multiplied, `--seed 1,2,3 --objective st,at`."""

from dataclasses import fields, replace
from itertools import product

from train.config import RunConfig
from train.named_run_sets import find
from train.run import TrainCommand, parse_one

_FIELDS = {field.name for field in fields(RunConfig)}
_LISTS = {name for name in _FIELDS if name.endswith("_epochs")}
"""Fields whose value may itself be a list with commas."""


def grid(arguments: list[str]) -> tuple[list[RunConfig], TrainCommand]:
    """Return the runs without duplicates, and a command with their shared options.

    The first argument may name a recipe, a run or a pattern. Raises ValueError for invalid arguments.
    """
    recipe = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    starting = find(recipe[0]) if recipe else [RunConfig()]
    configs: dict[str, RunConfig] = {}
    for flags in multiplied(arguments[len(recipe) :]):
        command = parse_one(starting[0], flags)
        given = {name: getattr(command.config, name) for name in _named(flags)}
        for config in starting:
            changed = replace(config, **given)
            configs.setdefault(changed.run_id, changed)
    return list(configs.values()), command


def multiplied(flags: list[str]) -> list[list[str]]:
    """Return one list of flags per combination: `a,b` after a field gives both values; lists of epochs are not split."""
    split = [part for flag in flags for part in (flag.split("=", 1) if flag.startswith("--") else [flag])]
    options, field = [], ""
    for part in split:
        if part.startswith("--"):
            field = _field(part)
        several = not part.startswith("--") and field in _FIELDS - _LISTS and "," in part
        options.append(part.split(",") if several else [part])
    return [list(chosen) for chosen in product(*options)]


def _named(flags: list[str]) -> set[str]:
    """Return the fields that flags set: `--umap` and `--no-umap` both set `umap`."""
    names = {_field(flag) for flag in flags if flag.startswith("--")}
    return {name.removeprefix("no_") for name in names} & _FIELDS


def _field(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
