"""The epochs of checkpoint files, read from their names. Tests: tests/rnc/probe/test_epochs_in_file_names.py."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rnc.models.external_weights import SUFFIXES

_WORDS = (
    "epoch", "epochs", "ep", "ckpt", "checkpoint", "iter", "iters", "iteration", "iterations", "step", "steps", "e",
)  # fmt: skip
"""The epoch is the number after the first of these words that distinguishes the files; steps are treated like epochs."""
_UNITS = ("epochs", "epoch", "ep", "iters", "iter", "steps", "step")
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.])([01]\d)\2([0-3]\d)(?!\d)")
_MOST_EPOCH = 10**9
_LISTED = 6


def epochs_in_names(files: Sequence[Path]) -> tuple[dict[Path, int], str]:
    """Return the epoch of each file whose name contains one, and a sentence on which number was used.

    It is the number after a word such as `epoch` or `step`, else the only number that differs between the files. Files
    without an epoch in their name are left out if other names contain one. A single file without an epoch gets epoch 1.
    Raises ValueError, naming the files and --epochs, if the names are ambiguous.
    """
    names = dict(zip(files, _names(files), strict=True))
    for word in _WORDS:
        numbers = _by_word(names, rf"(?<![a-z]){word}[-_=. :]?(\d+)" if len(word) > 2 else _SHORT.format(word))
        if numbers:
            return numbers, f"the number after {word!r} in the name"
    for unit in _UNITS:
        numbers = _by_word(names, rf"(?<![a-z0-9])(\d+){unit}(?![a-z])")
        if numbers:
            return numbers, f"the number before {unit!r} in the name"
    if len(files) == 1:
        return {files[0]: 1}, "the name contains no epoch, so epoch 1 is used; --epochs N sets another"
    return _by_difference(names), "the number that differs between the names"


_SHORT = r"(?<![a-z0-9]){}[-_=]?(\d+)"


def files_by_epoch(files: Sequence[Path], given: Sequence[int]) -> tuple[list[tuple[int, Path]], str]:
    """Return (epoch, file) sorted by epoch, and a description of the source of the epochs: `given`, or the names.

    Raises ValueError, asking for --epochs, unless there is exactly one distinct epoch per file.
    """
    if not given:
        numbers, how = epochs_in_names(files)
        if len(numbers) < len(files):
            without = [path for path in files if path not in numbers]
            raise _ambiguous(files, f"the names of {_listed(without)} contain none")
    else:
        numbers, how = dict(zip(files, given, strict=False)), "as given by --epochs"
        if len(given) != len(files) or len(set(given)) < len(given):
            raise _ambiguous(files, f"--epochs gives {list(given)}")
    if not all(0 <= number <= _MOST_EPOCH for number in numbers.values()):
        raise _ambiguous(files, f"the epochs are {sorted(numbers.values())}, and must be from 0 to {_MOST_EPOCH}")
    return sorted((epoch, path) for path, epoch in numbers.items()), how


def _names(files: Sequence[Path]) -> list[str]:
    """Return the files' names without suffixes, with dates as one number, and with the folder if all names are equal."""
    stems = [_stem(path.name) for path in files]
    if len(files) > 1 and len(set(stems)) == 1:
        stems = [f"{path.parent.name}/{stem}" for path, stem in zip(files, stems, strict=True)]
    return [_DATE.sub(r"\1\3\4", stem).lower() for stem in stems]


def _stem(name: str) -> str:
    while name.lower().endswith(SUFFIXES):
        name = name.rpartition(".")[0]
    return name


def _by_word(names: dict[Path, str], pattern: str) -> dict[Path, int]:
    """Return the number that a pattern finds in each file that has one; empty if the numbers do not distinguish the files."""
    numbers_of = {path: {int(number) for number in re.findall(pattern, name)} for path, name in names.items()}
    numbers = {path: min(inside) for path, inside in numbers_of.items() if inside}
    is_unambiguous = all(len(inside) < 2 for inside in numbers_of.values()) and len(set(numbers.values())) == len(
        numbers
    )
    return numbers if is_unambiguous else {}


def _by_difference(names: dict[Path, str]) -> dict[Path, int]:
    """Return the numbers of files whose names are equal except for one number."""
    alike: dict[str, list[Path]] = defaultdict(list)
    for path, name in names.items():
        alike[re.sub(r"\d+", "#", name)].append(path)
    families = [paths for paths in alike.values() if len(paths) > 1]
    if len(families) != 1:
        raise _ambiguous(
            list(names), "neither a word such as epoch or step nor a single number in the names distinguishes them"
        )
    rows = [[int(number) for number in re.findall(r"\d+", names[path])] for path in families[0]]
    varying = [column for column in zip(*rows, strict=True) if len(set(column)) > 1]
    if len(varying) != 1 or len(set(varying[0])) < len(rows):
        raise _ambiguous(families[0], f"{len(varying)} numbers in the names differ")
    return dict(zip(families[0], varying[0], strict=True))


def _ambiguous(files: Sequence[Path], why: str) -> ValueError:
    return ValueError(
        f"each of the {len(files)} checkpoints needs its own epoch, but {why} ({_listed(files)}); "
        "give the epochs in the order of the files: --epochs 0 10 20"
    )


def _listed(files: Sequence[Path]) -> str:
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return ", ".join(path.name for path in files[:_LISTED]) + more
