"""Where a data set lies on disk, and how its splits and classes may be written there."""

import os
import re
from pathlib import Path

from rnc.datasets.specs import DatasetSpec
from rnc.vocabulary import Split

ROOT_VARIABLE = "RNC_DATA"
DEFAULT_ROOT = Path("data/images")
IMAGENETTE_RELEASE = "imagenette2-160"
"""The folder inside the official archive, which is how torchvision leaves it."""

_FOLDERS = {
    "fashion_mnist": ("fashion_mnist", "fashion-mnist"),
    "imagenette": ("imagenette", "imagenette160", IMAGENETTE_RELEASE),
}
_SPLIT_NAMES = {
    Split.TRAIN: ("train", "training"),
    Split.TEST: ("test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation"),
}
_IMAGENETTE_WNIDS = (
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
    "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
)  # fmt: skip
_ALSO_CALLED = {
    "cifar100": {"cra": 26},  # the hub's own files spell crab so
    "imagenette": {wnid: label for label, wnid in enumerate(_IMAGENETTE_WNIDS)},
}


def data_root(given: Path | str | None = None) -> Path:
    """The folder that holds the data sets: the one given, or the environment's RNC_DATA, or data/images."""
    return Path(given or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT)


def folders(spec: DatasetSpec, root: Path) -> list[Path]:
    """The folders that may hold a data set, the first choice first, whether they are there or not."""
    return [root / name for name in _FOLDERS.get(spec.name, (spec.name,))]


def split_names(split: Split) -> tuple[str, ...]:
    """Return what a split may be called, in lower case, the first choice first."""
    return _SPLIT_NAMES[split]


def split_of(name: str) -> Split | None:
    """Return the split that a name stands for, in any case; None where it is no such name."""
    return next((split for split, names in _SPLIT_NAMES.items() if name.lower() in names), None)


def rank(name: str) -> tuple[int, str]:
    """Return the key that sorts the names of a split, the first choice first."""
    names = [other for split in Split for other in _SPLIT_NAMES[split]]
    return names.index(name.lower()), name


def part_in_name(stem: str) -> str:
    """Return the name of a split that a file's name begins or ends with, as it is written there; empty where there is none."""
    words = re.split(r"[-_.]", stem)
    return next((word for word in (words[0], words[-1]) if split_of(word)), "")


def split_folders(folder: Path, split: Split) -> list[Path]:
    """Return the folders in a folder that are called like a split, the first choice first."""
    if not folder.is_dir():
        return []
    called = [path for path in folder.iterdir() if split_of(path.name) is split and path.is_dir()]
    return sorted(called, key=lambda path: rank(path.name))


def label_of(spec: DatasetSpec, written: str) -> int | None:
    """The label of a class as a folder or a file's header writes it, whatever the case and the spaces; None if unknown.

    ImageNette's classes also go by their WordNet ids.
    """
    if written in spec.classes:
        return spec.classes.index(written)
    names = {_plain(name): label for label, name in enumerate(spec.classes)} | _ALSO_CALLED.get(spec.name, {})
    return names.get(_plain(written))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
