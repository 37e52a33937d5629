"""The config of a run that a store or a sweep's file recorded, checked before the run is trained with it.

The file may come from an untrusted source. Only the fields of a run's config, each of its expected type, are used, and the config
must be the one that the run's id names.
"""

import json
from pathlib import Path
from typing import Any

from rnc.safe_paths import quoted
from rnc.store.reader import StoreReader
from train.config import RunConfig


def config_of_run(run_id: str, recorded: dict[str, Any]) -> RunConfig:
    """Return the config of a run from its recorded fields. Raises ValueError with the reason if it is not that of the run."""
    default = RunConfig().to_json()
    if unknown := sorted(set(recorded) ^ set(default)):
        raise ValueError(f"its config differs from those of this version in {quoted(unknown[0])}")
    for name, value in recorded.items():
        if not _is_alike(value, default[name]):
            raise ValueError(f"{name} cannot be {quoted(str(value))}")
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in recorded.items()
    }
    try:
        rebuilt = RunConfig(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from None
    if rebuilt.run_id != run_id or rebuilt.to_json() != recorded:
        raise ValueError(f"its config belongs to {quoted(rebuilt.run_id)}")
    return rebuilt


def config_in_store(store: Path, run_id: str) -> RunConfig | None:
    """Return the config of a run in a store, so that the run can be resumed; None if the store has no such run.

    Raises ValueError if the run was not trained by this program, or by a version with other fields, and StoreError as the reader.
    """
    runs = StoreReader(store).runs.all()
    recorded = [] if runs.empty else list(runs[runs["run_id"] == run_id]["config"])
    if not recorded:
        return None
    try:
        return config_of_run(run_id, json.loads(recorded[0]))
    except ValueError as reason:
        raise ValueError(f"run {quoted(run_id)} cannot be trained from the store: {reason}") from None


def _is_alike(value: object, default: object) -> bool:
    """Return whether a value has the type of a field; a text that looks like a flag is rejected."""
    if isinstance(value, bool) or isinstance(default, bool):
        return type(value) is type(default)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(value, str):
        return isinstance(default, str) and not value.startswith("-")
    if isinstance(value, list) and isinstance(default, list):
        like = default[0] if default else ""
        return all(_is_alike(item, like) for item in value)
    return type(value) is type(default)
