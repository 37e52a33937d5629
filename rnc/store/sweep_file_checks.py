"""Checks of a sweep's file, which may be untrusted: the type and range of every field, and their consistency.

A file that passes is safe to compute with: no count is huge, no number is infinite, and names can be parts of a path and
of a job name.

Tested by tests/rnc/store/test_sweep_file.py.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from rnc.safe_paths import UnsafePathError, checked_name, quoted
from rnc.store.errors import SweepFileError

VERSION = 2
"""The file's version. Version 1 has no version field and no folders or processes of jobs."""
MOST_RUNS = 5_000
MOST_JOBS = 50_000
MOST_EPOCHS = 1_000_000
MOST_SECONDS = 1e12
_MOST_TEXT = 4096
_MOST_ITEMS = 1_000
_ENGINES = ("slurm", "local")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)
_JOB_ID = re.compile(r"[0-9]{1,18}(_[0-9]{1,9})?", re.ASCII)
_PROCESS = re.compile(r"([0-9a-f-]{36}:[0-9]{1,20})?", re.ASCII)


def checked_sweep(content: bytes, folder: str) -> dict[str, Any]:
    """Return the checked fields of a sweep's file; `folder` is the name of the folder that contains it."""
    sweep = _object(_parsed(content), "the file")
    version = sweep.pop("version", 1)
    if not _is_integer(version) or version < 1:
        raise SweepFileError(f"version must be a whole number, got {_shown_value(version)}")
    if version > VERSION:
        raise SweepFileError(f"it is of version {version}, and this program knows up to {VERSION}: update it")
    _check_keys(sweep, {"name", "engine", "options", "runs", "jobs"}, "the file")
    if checked_sweep_name(sweep["name"]) != folder:
        raise SweepFileError(f"it calls itself {_shown_value(sweep['name'])}, but its folder {_shown_value(folder)}")
    if sweep["engine"] not in _ENGINES:
        raise SweepFileError(f"engine must be {' or '.join(_ENGINES)}, got {_shown_value(sweep['engine'])}")
    return sweep | {
        "options": _options(sweep["options"]),
        "runs": _runs(sweep["runs"]),
        "jobs": _jobs(sweep["jobs"], set(sweep["runs"])),
    }


def checked_sweep_name(name: object) -> str:
    """Return `name` if it can name a sweep's folder and its jobs in a scheduler. Raises SweepFileError otherwise."""
    text = _name(name, "name")
    if not _NAME.fullmatch(text):
        raise SweepFileError(f"name must be of letters, digits and . _ -, got {_shown_value(text)}")
    return text


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content, object_pairs_hook=_without_twins, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise SweepFileError(f"it is no JSON of a sweep: {str(error)[:200] or type(error).__name__}") from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name is there twice in one object")
    return fields


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _options(given: object) -> dict[str, Any]:
    options = _object(given, "options")
    checks: dict[str, Callable[[Any], bool]] = {
        "flags": lambda value: _are_texts(value, 32),
        "pack": lambda value: _is_integer(value) and 0 <= value <= MOST_RUNS,
        "at_a_time": lambda value: _is_integer(value) and 0 <= value <= MOST_RUNS,
        "ranks": lambda value: _is_integer(value) and 1 <= value <= 1024,
        "on_gpus": lambda value: isinstance(value, bool),
        "time_limit": lambda value: value is None or (_is_number(value) and 0 <= value <= MOST_SECONDS),
        "slurm": lambda value: isinstance(value, dict) and _are_texts(list(value.items()), 64),
    }
    _check_keys(options, set(checks), "options", all_needed=False)
    for name, value in options.items():
        if not checks[name](value):
            raise SweepFileError(f"options: {name} cannot be {_shown_value(value)}")
    return options


def _runs(given: object) -> dict[str, dict[str, Any]]:
    runs = _object(given, "runs")
    if not 1 <= len(runs) <= MOST_RUNS:
        raise SweepFileError(f"a sweep has 1 to {MOST_RUNS:,} runs, this one {len(runs):,}")
    for run_id, value in runs.items():
        where = f"run {_shown_value(_name(run_id, 'run id'))}"
        run = _object(value, where)
        _check_keys(run, {"config", "epochs", "seconds"}, where)
        config = _object(run["config"], f"{where}: config")
        if not config or len(config) > _MOST_ITEMS:
            raise SweepFileError(f"{where}: config has {len(config)} fields")
        if not _is_integer(run["epochs"]) or not 0 <= run["epochs"] <= MOST_EPOCHS:
            raise SweepFileError(f"{where}: epochs must be 0 to {MOST_EPOCHS:,}, got {_shown_value(run['epochs'])}")
        if config.get("epochs", run["epochs"]) != run["epochs"]:
            raise SweepFileError(
                f"{where}: epochs are {run['epochs']}, but {_shown_value(config['epochs'])} in its config"
            )
        if not _is_number(run["seconds"]) or not 0 <= run["seconds"] <= MOST_SECONDS:
            raise SweepFileError(f"{where}: seconds must be 0 or more, got {_shown_value(run['seconds'])}")
    return runs


def _jobs(given: object, runs: set[str]) -> list[dict[str, Any]]:
    if not isinstance(given, list) or len(given) > MOST_JOBS:
        raise SweepFileError(f"jobs must be a list of at most {MOST_JOBS:,}, got {_shown_value(given)}")
    return [_job(job, runs) for job in given]


def _job(given: object, runs: set[str]) -> dict[str, Any]:
    older: dict[str, Any] = {"cancelled": False, "folder": "", "process": ""}
    job = older | _object(given, "a job")
    _check_keys(job, {"job_id", "run_ids", "cancelled", "folder", "process"}, "a job")
    where = f"job {_shown_value(job['job_id'])}"
    if not isinstance(job["job_id"], str) or not _JOB_ID.fullmatch(job["job_id"]):
        raise SweepFileError(f"{where}: job_id must be a number, or two with _ between them")
    if not _are_texts(job["run_ids"], MOST_RUNS) or not set(job["run_ids"]) <= runs:
        raise SweepFileError(f"{where}: its runs are not all among those of the sweep")
    if not isinstance(job["cancelled"], bool):
        raise SweepFileError(f"{where}: cancelled cannot be {_shown_value(job['cancelled'])}")
    if job["folder"] != "":
        _name(job["folder"], f"{where}: folder")
    if not isinstance(job["process"], str) or not _PROCESS.fullmatch(job["process"]):
        raise SweepFileError(f"{where}: process cannot be {_shown_value(job['process'])}")
    return job


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SweepFileError(f"{where} must be an object, got {_shown_value(value)}")
    return value


def _check_keys(fields: dict[str, Any], known: set[str], where: str, *, all_needed: bool = True) -> None:
    if unknown := sorted(set(fields) - known):
        raise SweepFileError(
            f"{where} has a field {_shown_value(unknown[0])} that this program does not know: a newer one may "
            "have made it, update"
        )
    if all_needed and (missing := sorted(known - set(fields))):
        raise SweepFileError(f"{where} has no {missing[0]}")


def _name(value: object, what: str) -> str:
    try:
        return checked_name(value, what)
    except UnsafePathError as error:
        raise SweepFileError(str(error)) from None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    """Return whether the value is a finite number of allowed size; JSON's 1e999 is infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST_SECONDS


def _are_texts(value: object, most: int) -> bool:
    """Return whether the value is a list of at most `most` texts, or pairs of texts, of bounded length and without NUL."""
    if not isinstance(value, list) or len(value) > most:
        return False
    texts = [text for item in value for text in (item if isinstance(item, tuple) else (item,))]
    return all(isinstance(text, str) and len(text) <= _MOST_TEXT and "\0" not in text for text in texts)


def _shown_value(value: object) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else quoted(json.dumps(value)).strip("'")
