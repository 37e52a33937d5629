"""The names of data sets on disk: their folders, and the accepted names of their splits and classes."""

import os
import re
from pathlib import Path

from rnc.datasets.specs import DatasetSpec
from rnc.vocabulary import Split

ROOT_VARIABLE = "RNC_DATA"
DEFAULT_ROOT = Path("data/images")
IMAGENETTE_RELEASE = "imagenette2-160"
"""The folder inside the official archive, as unpacked by torchvision."""

_FOLDERS = {
    "fashion_mnist": ("fashion_mnist", "fashion-mnist"),
    "imagenette": ("imagenette", "imagenette160", IMAGENETTE_RELEASE),
}
_SPLIT_NAMES = {
    Split.TRAIN: ("train", "training"),
    Split.TEST: ("test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation"),
}
_IMAGENETTE_WNIDS = """
n01440764 n02102040 n02979186 n03000684 n03028079 n03394916 n03417042 n03425413 n03445777 n03888257
"""
_OTHER_CLASS_NAMES = {
    "cifar100": {"cra": 26},  # the spelling of crab in the hub's files
    "imagenette": {wnid: label for label, wnid in enumerate(_IMAGENETTE_WNIDS.split())},
}


def data_root(root: Path | str | None = None) -> Path:
    """Return the folder of the data sets: `root` if given, or the environment variable RNC_DATA, or data/images."""
    return Path(root or os.environ.get(ROOT_VARIABLE) or DEFAULT_ROOT)


def candidate_folders(spec: DatasetSpec, root: Path) -> list[Path]:
    """Return the folders that may hold a data set, by priority, whether they exist or not."""
    return [root / name for name in _FOLDERS.get(spec.name, (spec.name,))]


def split_names(split: Split) -> tuple[str, ...]:
    """Return the accepted names of a split, in lower case, by priority."""
    return _SPLIT_NAMES[split]


def split_of(name: str) -> Split | None:
    """Return the split that a name stands for, ignoring case; None if it is not such a name."""
    return next((split for split, names in _SPLIT_NAMES.items() if name.lower() in names), None)


def priority(name: str) -> tuple[int, str]:
    """Return the key that sorts the names of a split by priority."""
    names = [other for split in Split for other in _SPLIT_NAMES[split]]
    return names.index(name.lower()), name


def split_name_in(stem: str) -> str:
    """Return the split name at the start or end of a file's name, as written there; empty if there is none."""
    words = re.split(r"[-_.]", stem)
    return next((word for word in (words[0], words[-1]) if split_of(word)), "")


def split_folders(folder: Path, split: Split) -> list[Path]:
    """Return the subfolders named after a split, by priority."""
    if not folder.is_dir():
        return []
    named = [path for path in folder.iterdir() if split_of(path.name) is split and path.is_dir()]
    return sorted(named, key=lambda path: priority(path.name))


def label_of(spec: DatasetSpec, class_name: str) -> int | None:
    """Return the label of a class name in a folder or a header, ignoring case and punctuation; None if unknown.

    ImageNette's classes are also accepted as their WordNet ids.
    """
    if class_name in spec.classes:
        return spec.classes.index(class_name)
    labels = {_letters_and_digits(name): label for label, name in enumerate(spec.classes)} | _OTHER_CLASS_NAMES.get(
        spec.name, {}
    )
    return labels.get(_letters_and_digits(class_name))


def _letters_and_digits(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
