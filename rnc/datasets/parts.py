"""The location of the training and the test part of the user's own images, and the files next to them that are left out.

Parts are recognised by common names (`layout.split_of`), ignoring case: as folders of class folders, as names of
Parquet files, or as folders of Parquet files (the hub's `train/0000.parquet`), the last also inside a folder `data` or
a subset's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnc.datasets import image_folder, layout, parquet_folder
from rnc.datasets.specs import DatasetError, DatasetSpec
from rnc.safe_paths import quoted
from rnc.vocabulary import Split

_LISTED = 6
_PARQUET = ".parquet"


@dataclass(frozen=True)
class Part:
    """A part of a data set: class folders in a folder, or some Parquet files."""

    path: Path
    name: str = ""
    """The name of the part as written there; empty if the whole folder is the part."""
    folders: tuple[Path, ...] = ()
    parquet: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Parts:
    """The parts of a folder, and sentences on the other files there, which are not used."""

    found: dict[Split, Part] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def parts_of(folder: Path) -> Parts:
    """Find the parts of a folder; the result is empty if it contains neither Parquet files nor class folders.

    Raises DatasetError with a remedy if there are several subsets, if a numbered series is incomplete, or if there are
    only test images.
    """
    for base in (folder, folder / "data"):
        parts = _parquet_parts(base)
        if parts.found:
            return parts
    subsets = {path: parts for path in image_folder.class_folders(folder) if (parts := _parquet_parts(path)).found}
    if len(subsets) > 1:
        raise DatasetError(
            f"{folder} holds several subsets: {listed(path.name for path in subsets)}; "
            f"name one of them: --data {next(iter(subsets))}"
        )
    if subsets:
        beside = [path for path in _visible(folder) if path not in subsets]
        (parts,) = subsets.values()
        return Parts(parts.found, parts.left_out + _beside(folder, beside))
    return _image_parts(folder)


def listed(names: Iterable[str], most: int = _LISTED) -> str:
    """Return the names in one line, the first ones if there are many; each is made safe to print."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(quoted(name) for name in every[:most]) + more


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def _beside(folder: Path, paths: Sequence[Path]) -> list[str]:
    return [f"beside the images in {folder.name}: {listed(path.name for path in paths)}"] if paths else []


def _not_used(split: Split, used: str, others: Sequence[str]) -> list[str]:
    return [f"{listed(others)}, for {used!r} is the {split} part"] if others else []


def _parquet_parts(base: Path) -> Parts:
    """Return the parts in a folder that are Parquet files, or subfolders of them named after parts."""
    there = _visible(base)
    loose = [path for path in there if path.name.lower().endswith(_PARQUET) and path.is_file()]
    named, unnamed = _named_groups(there, loose)
    if not named and loose:
        parquet_folder.check_series(loose)
        found = {Split.TRAIN: Part(base, parquet=tuple(loose))}
        return Parts(found, _beside(base, [path for path in there if path not in loose]))
    found, left_out, used = {}, [], []
    for split in Split:
        words = sorted((word for word in named if _split(word) is split), key=layout.rank)
        if words:
            files = named[words[0]]
            parquet_folder.check_series(files)
            found[split] = Part(base, words[0], parquet=tuple(files))
            left_out += _not_used(split, words[0], words[1:])
            used += [path for word in words for path in (*named[word], named[word][0].parent)]
    if found and Split.TRAIN not in found:
        raise DatasetError(
            f"{base} has test images but no training images by their names; beside them: "
            f"{listed(path.name for path in unnamed) or 'nothing'}; name both: --data FILE --test-data FILE"
        )
    return Parts(found, left_out + (_beside(base, [path for path in there if path not in used]) if found else []))


def _named_groups(there: list[Path], loose: list[Path]) -> tuple[dict[str, list[Path]], list[Path]]:
    """Return the files grouped by the name of their part, and the files outside subfolders that have no such name."""
    named: dict[str, list[Path]] = {}
    for path in loose:
        word = layout.part_in_name(path.name[: -len(_PARQUET)])
        if word:
            named.setdefault(word, []).append(path)
    for folder in there:
        if folder.is_dir() and layout.split_of(folder.name) and folder.name not in named:
            files = [path for path in _visible(folder) if path.name.lower().endswith(_PARQUET)]
            if files:
                named[folder.name] = files
    taken = {path for files in named.values() for path in files}
    return named, [path for path in loose if path not in taken]


def _split(word: str) -> Split:
    split = layout.split_of(word)
    assert split is not None
    return split


def _image_parts(folder: Path) -> Parts:
    """Return the parts in a folder that are folders of class folders, or the class folders directly inside it."""
    inside = image_folder.class_folders(folder)
    called = {path: image_folder.class_folders(path) for path in inside if layout.split_of(path.name)}
    trains = sorted((p for p, below in called.items() if below and _split(p.name) is Split.TRAIN), key=_rank)
    if trains:
        train, classes = Part(trains[0], trains[0].name, folders=tuple(called[trains[0]])), called[trains[0]]
    else:
        classes = [path for path in inside if not _is_test_part(path, called, inside)]
        if inside and len(classes) < len(inside) and len(classes) < 2:
            raise DatasetError(
                f"{folder} has no training images, only {listed(path.name for path in inside)}; where one of them is "
                f"what to measure, name it: --data {inside[0]}"
            )
        train = Part(folder, folders=tuple(classes))
    if not classes:
        return Parts()
    tests = sorted((path for path in called if path not in classes and _split(path.name) is Split.TEST), key=_rank)
    usable = [path for path in tests if _same_classes(called[path], classes)]
    found, left_out = {Split.TRAIN: train}, _not_used(Split.TRAIN, train.name, [path.name for path in trains[1:]])
    if usable:
        found[Split.TEST] = Part(usable[0], usable[0].name, folders=tuple(called[usable[0]]))
        left_out += _not_used(Split.TEST, usable[0].name, [path.name for path in usable[1:]])
    strange = [path.name for path in tests if path not in usable]
    left_out += [f"{listed(strange)}, for there are no folders of the classes in it"] if strange else []
    for part in found.values():
        rest = [path for path in _visible(part.path) if path not in (*part.folders, *trains, *tests)]
        left_out += _beside(part.path, rest)
    if train.name:
        left_out += _beside(folder, [path for path in _visible(folder) if path not in (*trains, *tests)])
    return Parts(found, left_out)


def _rank(path: Path) -> tuple[int, str]:
    return layout.rank(path.name)


def _is_test_part(path: Path, called: dict[Path, list[Path]], siblings: list[Path]) -> bool:
    """Return whether a folder named like a test part is one, and not a class of that name.

    It is one if its subfolders are named like the folders next to it, or if all of these are such parts too.
    """
    if not called.get(path) or _split(path.name) is not Split.TEST:
        return False
    others = [sibling for sibling in siblings if sibling not in called]
    return (not others and all(called.values())) or _same_classes(called[path], others)


def _same_classes(folders: Sequence[Path], classes: Sequence[Path]) -> bool:
    """Return whether at least one of some folders is named like a class."""
    if not classes:
        return False
    known = DatasetSpec("", tuple(path.name for path in classes), (1, 1, 1), (), ())
    return any(layout.label_of(known, path.name) is not None for path in folders)
