"""The rows of table `run` as pages read them: their configs taken apart, and refused where pages could make nothing of them."""

import json
from collections.abc import Sequence

import pandas as pd

from rnc.store.errors import StoreError
from rnc.vocabulary import OWN_IMAGES, SYNTHETIC

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "dataset": str, "model": str, "objective": str, "norm": str, "epochs": int, "seed": int,
    "width": (int, float), "subset": int,
}  # fmt: skip
"""What pages rely on in every config."""
_OLDER = {"width": 1.0, "subset": 0}
"""What configs of schema 1 leave unsaid."""
MOST_CLASSES = 4096
"""Classes of one run: what pages compute and draw grows with their square."""
MOST_CLASS_NAME = 200
"""Characters of a class's name."""


def with_configs(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of table `run` with a column for each field of their configs, and what they are: published, synthetic."""
    configs = []
    for run_id, config, classes in zip(found["run_id"], found["config"], found["classes"], strict=True):
        try:
            configs.append(checked_config(run_id, config, classes))
        except StoreError as error:
            raise StoreError(f"{error}; take the run out of the store") from None
    config = pd.DataFrame(configs, index=found.index)
    found = found.assign(images_from=[_images_from(one) for one in configs], tags=found["tags"].map(list))
    found = found.assign(**{name: config[name] for name in config.columns}, published=found.get("published", False))
    return found.assign(synthetic=found["device"] == SYNTHETIC)


def checked_config(run_id: str, text: str, classes: Sequence[str | None] | None) -> dict:
    """Return the fields of a run's config.

    Raises StoreError where pages could make nothing of them, and where the run has more classes, or longer names of them,
    than pages can show.
    """
    names = [] if classes is None else list(classes)
    if len(names) > MOST_CLASSES:
        raise StoreError(f"run {run_id} has {len(names):,} classes; at most {MOST_CLASSES:,} are read")
    if wrong := [name for name in names if name is None or len(name) > MOST_CLASS_NAME]:
        told = "is missing" if wrong[0] is None else f"has {len(wrong[0]):,} characters"
        raise StoreError(f"run {run_id} has a class whose name {told}; at most {MOST_CLASS_NAME} are read")
    try:
        config = _OLDER | json.loads(text)
        if all(isinstance(config[name], kind) for name, kind in _FIELDS.items()):
            return config
    except (TypeError, ValueError, KeyError, RecursionError):
        pass
    raise StoreError(f"run {run_id} has a config that makes no sense: {text[:80]!r}")


def _images_from(config: dict) -> str:
    """The data set's name; where images were brought along, a text that says where they lie (`rnc/datasets/own.py`)."""
    images = config.get("own", {}).get("images")
    return str(config["dataset"]) if images is None else OWN_IMAGES + json.dumps(images)
