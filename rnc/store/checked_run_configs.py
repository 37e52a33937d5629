"""The configs of table `run` as pages read them; unusable ones are refused.

Tested by tests/pages/test_huge_stores.py.
"""

import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnc.store.errors import StoreError
from rnc.vocabulary import OWN_IMAGES, RUN_NAME, SYNTHETIC

_TEXTS = ("dataset", "model", "objective", "norm")
_NUMBERS: dict[str, type | tuple[type, ...]] = {"epochs": int, "seed": int, "subset": int, "width": (int, float)}
"""The fields that pages need in every config."""
_OLDER = {"width": 1.0, "subset": 0}
"""The default values of fields that configs of schema 1 lack."""
_MOST_NUMBER = 2**53
"""The largest number accepted in a config; a float64 or a chart's axis cannot represent larger integers."""
MOST_CLASSES = 4096
"""Maximum number of classes of a run; the cost of computing and drawing grows with its square."""
MOST_CLASS_NAME = 200
"""Maximum number of characters in a class name."""


DESCRIBED = ("run_id", "config", "classes", "device", "published")
"""The columns of table `run` that do not change while a run is trained."""


def descriptions(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what the configs of rows of table `run` say: a column for each of their fields, and whether they are synthetic."""
    configs = []
    for run_id, config, classes in zip(runs["run_id"], runs["config"], runs["classes"], strict=True):
        try:
            configs.append(checked_config(run_id, config, classes))
        except StoreError as error:
            raise StoreError(f"{error}; take the run out of the store") from None
    if runs["run_id"].duplicated().any():
        doubled = runs["run_id"][runs["run_id"].duplicated()].iloc[0]
        raise StoreError(f"run {doubled} is in the store more than once; take all but one of its rows out of table run")
    described = pd.DataFrame(
        {
            "images_from": [_images_from(one) for one in configs],
            "name": [_name(one) for one in configs],
            "synthetic": runs["device"] == SYNTHETIC,
        },
        index=runs.index,
    )
    if "published" not in runs:
        described["published"] = False
    config = pd.DataFrame(configs, index=runs.index)
    return pd.concat([described, config[[name for name in config if name not in {*runs, *described}]]], axis=1)


def checked_config(run_id: str, text: str, classes: Sequence[str | None] | None) -> dict:
    """Return the fields of a run's config.

    Raises StoreError if pages cannot use them, or if the run has more classes, or longer class names, than pages can show.
    """
    if not isinstance(classes, Sequence | np.ndarray) or isinstance(classes, str):
        raise StoreError(f"run {run_id} names no classes")
    if len(classes) > MOST_CLASSES:
        raise StoreError(f"run {run_id} has {len(classes):,} classes; at most {MOST_CLASSES:,} are read")
    if wrong := [name for name in classes if not isinstance(name, str) or len(name) > MOST_CLASS_NAME]:
        problem = f"has {len(wrong[0]):,} characters" if isinstance(wrong[0], str) else "is missing"
        raise StoreError(f"run {run_id} has a class whose name {problem}; at most {MOST_CLASS_NAME} are read")
    try:
        config = _OLDER | json.loads(text)
        texts = all(isinstance(config[name], str) for name in _TEXTS)
        numbers = all(
            isinstance(config[name], kind) and not isinstance(config[name], bool) for name, kind in _NUMBERS.items()
        )
        external = isinstance(config.get("own", {}), dict)
        if texts and numbers and external and all(abs(config[name]) <= _MOST_NUMBER for name in _NUMBERS):
            return config
    except (TypeError, ValueError, KeyError, RecursionError):
        pass
    raise StoreError(f"run {run_id} has a config that makes no sense: {str(text)[:80]!r}")


def _images_from(config: dict) -> str:
    """Return the data set's name, or for the user's own images a text with their location (`rnc/datasets/custom.py`)."""
    images = config.get("own", {}).get("images")
    return str(config["dataset"]) if images is None else OWN_IMAGES + json.dumps(images)


def _name(config: dict) -> str:
    """Return the name that the user gave to a run, or an empty text."""
    name = config.get("own", {}).get("name")
    return name if isinstance(name, str) and re.fullmatch(RUN_NAME, name) else ""
